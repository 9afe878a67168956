# Writes ${OUTPUT}: version, commit, compiler and flags of this build, touched only where they changed.
# Run at every build, so that a certificate never names yesterday's commit.
execute_process(COMMAND git rev-parse --short=12 HEAD WORKING_DIRECTORY "${SOURCE_DIR}" OUTPUT_VARIABLE commit
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(commit "unknown")
else()
  execute_process(COMMAND git status --porcelain --untracked-files=no WORKING_DIRECTORY "${SOURCE_DIR}" OUTPUT_VARIABLE changes ERROR_QUIET)
  if(changes)
    string(APPEND commit "+modified")
  endif()
endif()
string(REGEX REPLACE " +" " " flags "${FLAGS}")
string(STRIP "${flags}" flags)
configure_file("${TEMPLATE}" "${OUTPUT}" @ONLY)
