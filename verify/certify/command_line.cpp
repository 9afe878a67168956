#include "verify/certify/command_line.hpp"

#include <CLI/CLI.hpp>

#include <charconv>

#include "verify/certify/exit_code.hpp"

namespace lyap {
namespace {

constexpr const char* kDescription =
    "Proves bounds on how fast the states of a trained Mamba or Mamba-2 checkpoint forget, and on how far another "
    "precision,\n"
    "another checkpoint or an adapter moves its blocks, and writes them as a certificate:\n"
    "NAME.json (claims and provenance) and NAME.safetensors (bulk arrays).";

constexpr const char* kExamples =
    "Examples:\n"
    "  lyap certify ./mamba-130m-hf\n"
    "      bounds for every input; writes mamba-130m-hf.json and mamba-130m-hf.safetensors here\n"
    "  lyap certify ./mamba-130m-hf --text sample.txt --out sample.json --report sample.html\n"
    "      also tight enclosures of the rates on one text, and a page to look at\n"
    "  lyap certify ./my-model --fail-on 'exponent>=-1e-9'\n"
    "      exit code 1 unless every state provably forgets faster than 1e-9 nats per step\n"
    "  lyap certify ./my-model --text sample.txt --tier trajectory --policy amp-bf16,amp-fp16\n"
    "      how far autocast can move each block on that text, with what one emulated run moved it beside it\n"
    "  lyap certify ./my-model --text sample.txt --tier trajectory --adapter ./my-lora\n"
    "      how far the merged adapter moves each block; --against ./fine-tuned for a second checkpoint\n"
    "  lyap certify --random-blocks\n"
    "      the paper's experiment on random blocks, without a model (lyap certify --random-blocks --help)\n"
    "\n"
    "Ctrl-C during the refinements of the thorough effort ends them, as --minutes does, and the certificate is "
    "written\n"
    "with what is proved; a second one, or one at any other time, stops the program.\n"
    "\n"
    "Exit codes: 0 done, 1 a --fail-on condition holds, 2 usage, 65 bad input, 70 out of memory or disk,\n"
    "130 interrupted (the previous output stays intact).";

constexpr long kMostThreads = 4096;
constexpr long kMostTokens = 1L << 40;

/// What CLI11 fills in; strings where the meaning is ours to check.
struct RawOptions {
  std::string model, tier, tokens, text, activations, layers, effort, out, report, fail_on;
  RawDeviationOptions deviations;
  std::optional<double> minutes;
  std::optional<long> max_tokens;
  long threads = 0;
  bool save_outputs = false, hf_compat = false, json = false, no_progress = false, version = false;
};

void declare_deviation_options(CLI::App& app, RawDeviationOptions& raw) {
  app.add_option("--policy", raw.policy,
                 "Precisions to bound, comma-separated: fp32, tf32, amp-bf16, amp-fp16, all-bf16,\nall-fp16, and "
                 "plain-amp-bf16, .. for PyTorch without kernels")
      ->type_name("P,...");
  app.add_option("--method", raw.method,
                 "How, comma-separated: interval-run, trace, a-priori, kappa;\ndefault: all that the input allows "
                 "(without a sequence: kappa)")
      ->type_name("M,...");
  app.add_option("--trace", raw.trace, "safetensors with layer.{i}.x, .B, .C, .preactivation as a kernel received them")
      ->type_name("FILE");
  app.add_option("--against", raw.against, "A second checkpoint of the same shape: how far its blocks are from MODEL's")
      ->type_name("MODEL2");
  app.add_option("--adapter", raw.adapter, "A PEFT LoRA folder for MODEL: how far the merged model's blocks are")
      ->type_name("DIR");
}

void declare_options(CLI::App& app, RawOptions& raw) {
  app.footer(kExamples);
  app.add_option("MODEL", raw.model, "Folder of the checkpoint: config.json with safetensors or pytorch_model.bin")
      ->type_name("");
  app.add_option("--tier", raw.tier,
                 "universal (every input), trajectory (one sequence) or both;\ndefault: universal, or both when a "
                 "sequence is given")
      ->check(CLI::IsMember({"universal", "trajectory", "both"}))
      ->type_name("TIER");
  auto* tokens =
      app.add_option("--tokens", raw.tokens, "Token ids: safetensors with input_ids, a JSON list, or integers in text")
          ->type_name("FILE");
  auto* text = app.add_option("--text", raw.text, "UTF-8 text, read through MODEL's tokenizer.json")->type_name("FILE");
  auto* activations = app.add_option("--activations", raw.activations,
                                     "safetensors with layer.{i}.input (T, d_model): block inputs, exactly as stored")
                          ->type_name("FILE");
  tokens->excludes(text)->excludes(activations);
  text->excludes(activations);
  app.add_option("--max-tokens", raw.max_tokens, "Use only the first N steps of the sequence")
      ->check(CLI::Range(1L, kMostTokens))
      ->type_name("N");
  declare_deviation_options(app, raw.deviations);
  app.add_option("--layers", raw.layers, "A-B or A: certify these layers only, counted from 0")->type_name("A-B");
  app.add_option("--effort", raw.effort, "fast or thorough; default: by the model's size")
      ->check(CLI::IsMember({"fast", "thorough"}))
      ->type_name("EFFORT");
  app.add_option("--minutes", raw.minutes,
                 "Time for the refinements of the thorough effort; what is proved by then is kept")
      ->type_name("M");
  app.add_option("--threads", raw.threads, "Worker threads; default: one per processor")
      ->check(CLI::Range(1L, kMostThreads))
      ->type_name("N");
  app.add_option(
         "--out", raw.out,
         "NAME.json; the arrays go to NAME.safetensors beside it;\ndefault: the folder's name, in the current folder")
      ->type_name("NAME.json");
  app.add_option("--report", raw.report, "Also write a self-contained HTML page (lyap report)")->type_name("NAME.html");
  app.add_flag("--save-outputs", raw.save_outputs, "Keep the enclosures of every output of the sequence (large)");
  app.add_flag("--hf-compat", raw.hf_compat,
               "Mamba-2 with groups: gated norm over all of d_inner, as transformers computes it");
  app.add_option("--fail-on", raw.fail_on,
                 "Comma-separated comparisons; exit code 1 where one holds.\nNames: exponent, zeta, state_bound, "
                 "state_deviation, output_deviation\n(largest bound over the layers), uninformative (a count)")
      ->type_name("EXPR");
  app.add_flag("--json", raw.json, "The certificate's JSON on stdout and nothing else there");
  app.add_flag("--no-progress", raw.no_progress, "No progress on stderr");
  app.add_flag("--version", raw.version, "Version and commit");
}

std::optional<std::size_t> whole_number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

LayerRange parse_layers(const std::string& text) {
  const std::size_t dash = text.find('-');
  const auto first = whole_number(std::string_view(text).substr(0, dash));
  const auto last = dash == std::string::npos ? first : whole_number(std::string_view(text).substr(dash + 1));
  if (!first || !last || *first > *last)
    throw UsageError("--layers " + text + ": write A-B with A <= B, counted from 0, or one number");
  return {*first, *last};
}

std::string quoted_for_shell(const std::string& text) {
  constexpr const char* kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=./:,@%";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

void take_sequence(const RawOptions& raw, CertifyCommand& command) {
  const auto take = [&](const std::string& file, SequenceKind kind) {
    if (file.empty()) return;
    command.sequence_kind = kind;
    command.sequence_file = file;
  };
  take(raw.tokens, SequenceKind::kTokens);
  take(raw.text, SequenceKind::kText);
  take(raw.activations, SequenceKind::kActivations);
  command.tier = command.sequence_kind ? Tier::kBoth : Tier::kUniversal;
  if (raw.tier == "universal") command.tier = Tier::kUniversal;
  if (raw.tier == "trajectory") command.tier = Tier::kTrajectory;
  if (raw.tier == "both") command.tier = Tier::kBoth;
  if (includes_trajectory(command.tier) && !command.sequence_kind) {
    throw UsageError("--tier " + raw.tier + " needs a sequence: --tokens, --text or --activations");
  }
  if (command.sequence_kind && !includes_trajectory(command.tier)) {
    throw UsageError(
        "--tier universal speaks of every input: leave out --tokens, --text and --activations, or choose --tier both");
  }
  if (raw.max_tokens) {
    if (!command.sequence_kind) throw UsageError("--max-tokens needs a sequence: --tokens, --text or --activations");
    command.max_tokens = static_cast<std::size_t>(*raw.max_tokens);
  }
  if (raw.save_outputs && !includes_trajectory(command.tier))
    throw UsageError("--save-outputs needs a sequence: --tokens, --text or --activations");
}

void take_outputs(const RawOptions& raw, CertifyCommand& command) {
  command.out =
      raw.out.empty() ? std::filesystem::path(model_name(command.model) + ".json") : std::filesystem::path(raw.out);
  if (command.out.extension() != ".json" || command.out.stem().empty())
    throw UsageError("--out " + raw.out + ": a name that ends in .json is expected");
  if (raw.report.empty()) return;
  command.report = raw.report;
  if (command.report->extension() != ".html")
    throw UsageError("--report " + raw.report + ": a name that ends in .html is expected");
}

void take_fail_on(const RawOptions& raw, CertifyCommand& command) {
  if (raw.fail_on.empty()) return;
  try {
    command.fail_on = parse_fail_on(raw.fail_on);
  } catch (const FailOnError& error) {
    throw UsageError("--fail-on: " + std::string(error.what()));
  }
  for (const FailOnCondition& condition : command.fail_on) {
    switch (condition.quantity) {
      case FailOnQuantity::kExponent:
      case FailOnQuantity::kZeta:
      case FailOnQuantity::kStateBound:
        if (!includes_universal(command.tier))
          throw UsageError("--fail-on: '" + condition.text +
                           "' needs the universal tier, which --tier trajectory leaves out");
        break;
      case FailOnQuantity::kStateDeviation:
      case FailOnQuantity::kOutputDeviation:
      case FailOnQuantity::kUninformative:
        if (!command.deviations.compares())
          throw UsageError("--fail-on: '" + condition.text + "' needs --policy, --against or --adapter");
    }
  }
}

CertifyCommand checked_command(const RawOptions& raw) {
  if (raw.model.empty())
    throw UsageError("MODEL is missing: name the checkpoint's folder (lyap certify --help shows examples)");
  if (raw.minutes && !(*raw.minutes > 0.0)) throw UsageError("--minutes: a number above zero is expected");
  CertifyCommand command;
  command.model = raw.model;
  take_sequence(raw, command);
  command.deviations = parse_deviation_options(raw.deviations, command.sequence_kind.has_value());
  if (!raw.layers.empty()) command.layers = parse_layers(raw.layers);
  if (!raw.effort.empty()) command.effort = raw.effort == "fast" ? Effort::kFast : Effort::kThorough;
  command.minutes = raw.minutes;
  command.threads = static_cast<std::size_t>(raw.threads);
  take_outputs(raw, command);
  command.save_outputs = raw.save_outputs;
  command.hf_compat = raw.hf_compat;
  take_fail_on(raw, command);
  command.json = raw.json;
  command.no_progress = raw.no_progress;
  return command;
}

std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

}  // namespace

std::filesystem::path CertifyCommand::arrays_file() const {
  return std::filesystem::path(out).replace_extension(".safetensors");
}

std::string model_name(const std::filesystem::path& model) {
  std::error_code error;
  std::filesystem::path folder = std::filesystem::weakly_canonical(std::filesystem::absolute(model, error), error);
  if (error) folder = model;
  if (folder.filename().empty()) folder = folder.parent_path();
  const std::string name = folder.filename().string();
  return name.empty() ? "model" : name;
}

std::variant<CertifyCommand, RequestedText> parse_certify_command(const std::vector<std::string>& arguments) {
  RawOptions raw;
  CLI::App app(kDescription, "lyap certify");
  declare_options(app, raw);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    return RequestedText{app.help()};
  } catch (const CLI::ParseError& error) {
    throw UsageError(one_line(error.what()));
  }
  if (raw.version)
    return RequestedText{"lyap certify " + build_information().version + " (" + build_information().commit + ")\n"};
  CertifyCommand command = checked_command(raw);
  command.text = "lyap certify";
  for (const std::string& argument : arguments) command.text += " " + quoted_for_shell(argument);
  return command;
}

}  // namespace lyap
