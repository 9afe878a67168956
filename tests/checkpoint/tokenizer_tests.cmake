# Tokens and text: the C++ tests, and the live comparisons with Python packages, which are skipped by name where those
# are not installed.
set(LYAP_ORACLE_PYTHON "${PROJECT_SOURCE_DIR}/build/oracles/bin/python" CACHE FILEPATH
    "A Python with the packages of tests/oracles/requirements.txt (and requirements-transformers.txt for the tests labelled full)")

lyap_test(checkpoint_tokenizer_test
  SOURCES
    random_cases.cpp
    byte_level_bpe_definition_test.cpp
    byte_level_bpe_test.cpp
    token_sequence_test.cpp
    unicode_text_test.cpp
  LIBRARIES lyap::checkpoint nlohmann_json::nlohmann_json)

add_executable(lyap-tokenize-probe tokenize_probe.cpp)
lyap_target_settings(lyap-tokenize-probe)
target_link_libraries(lyap-tokenize-probe PRIVATE lyap::checkpoint)

# lyap_oracle_test(NAME SCRIPT s.py NEEDS packages [ARGUMENTS ...] [LABELS ...])
function(lyap_oracle_test name)
  cmake_parse_arguments(arg "" "SCRIPT" "NEEDS;ARGUMENTS;LABELS" ${ARGN})
  string(REPLACE ";" " " needs "${arg_NEEDS}")
  add_test(NAME ${name}
           COMMAND "${PROJECT_SOURCE_DIR}/tests/oracles/run_or_skip.sh" "${LYAP_ORACLE_PYTHON}" "${needs}"
                   "${PROJECT_SOURCE_DIR}/tests/oracles/${arg_SCRIPT}" ${arg_ARGUMENTS})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 900 LABELS "${arg_LABELS}")
endfunction()

lyap_oracle_test(Oracles.TokenIdsAreThoseOfTheTokenizersPackage
  SCRIPT compare_tokenizers.py NEEDS tokenizers ARGUMENTS $<TARGET_FILE:lyap-tokenize-probe>)
lyap_oracle_test(Oracles.RecordedActivationsAreWhatEntersEachBlockInTransformers
  SCRIPT check_recorded_activations.py NEEDS torch transformers safetensors LABELS full)
lyap_oracle_test(Oracles.RecordedTracesAreWhatTheScanGetsInTransformers
  SCRIPT check_recorded_trace.py NEEDS torch transformers safetensors tokenizers LABELS full)
lyap_oracle_test(Oracles.PlainPoliciesRoundWhereTransformersDoes
  SCRIPT check_policy_sites.py NEEDS torch transformers LABELS full)
