#include "verify/deviation/random_blocks_command.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <string_view>

#include "numerics/parallel.hpp"
#include "numerics/resource_error.hpp"
#include "numerics/rounding.hpp"
#include "verify/certify/exit_code.hpp"
#include "verify/certify/interrupt.hpp"
#include "verify/certify/sibling_program.hpp"
#include "verify/checkpoint/array_file.hpp"
#include "verify/deviation/random_blocks_record.hpp"

namespace lyap {
namespace {

constexpr std::size_t kMostBlocks = 100000, kMostWidth = 4096, kMostStates = 256, kMostSteps = std::size_t{1} << 22;
constexpr std::size_t kMostInputs = std::size_t{1} << 26;   // T D: half a gigabyte per sequence and thread
constexpr std::size_t kMostWeights = std::size_t{1} << 26;  // D^2 (1 + 2 N)
constexpr std::size_t kMostCurves = 128, kMostThreads = 4096;
constexpr std::uint64_t kMostSeed = (std::uint64_t{1} << 53) - 1;  // exact in every reader of JSON
constexpr double kLeastEpsilon = 1e-12, kMostEpsilon = 1.0;

constexpr const char* kHelp =
    "Repeats the experiment of the paper's section 4.1 on random blocks, and proves an envelope around it.\n"
    "The initial state and the first input of every block move by epsilon; recorded are the largest deviations of "
    "states\n"
    "and outputs at each step: mean, standard deviation and largest over the blocks, and an upper bound that holds "
    "for\n"
    "every perturbation of that size. Twice: with parameters that do not depend on the input (the paper's), and with\n"
    "parameters that do.\n\n"
    "Usage: lyap certify --random-blocks [OPTIONS]\n\n"
    "  --blocks N             blocks per distribution; default 100\n"
    "  --width D              channels; default 64\n"
    "  --states N             states per channel; default 1, the paper's diagonal matrices\n"
    "  --steps T              steps; default 2048\n"
    "  --epsilon E,...        sizes of the perturbation; default 0.1,0.01,0.001\n"
    "  --distribution NAME,.. mamba, normal, uniform, log-uniform; default all\n"
    "  --seed S               default 1; the same seed gives the same numbers\n"
    "  --out NAME.json        default random-blocks.json\n"
    "  --report NAME.html     also write a self-contained HTML page (lyap report)\n"
    "  --threads N            worker threads; default one per processor\n"
    "  --json                 the record on stdout and nothing else there\n"
    "  --no-progress          no progress on stderr\n";

[[noreturn]] void refuse(const std::string& option, const std::string& value, const std::string& expected) {
  throw UsageError(option + " " + value + ": " + expected + " is expected");
}

template <class Number>
bool read_whole(const std::string& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

std::uint64_t count_of(const std::string& option, const std::string& text, std::uint64_t least, std::uint64_t most) {
  std::uint64_t value = 0;
  if (!read_whole(text, value) || value < least || value > most)
    refuse(option, text, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return value;
}

std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char letter : text) {
    if (letter == ',') {
      parts.emplace_back();
    } else {
      parts.back() += letter;
    }
  }
  return parts;
}

std::vector<double> epsilons_of(const std::string& text) {
  std::vector<double> epsilons;
  for (const std::string& part : parts_of(text)) {
    double epsilon = 0;
    if (!read_whole(part, epsilon) || !(epsilon >= kLeastEpsilon && epsilon <= kMostEpsilon))
      refuse("--epsilon", text, "a list of numbers from 1e-12 to 1, such as 0.1,0.01,");
    if (std::find(epsilons.begin(), epsilons.end(), epsilon) != epsilons.end())
      refuse("--epsilon", text, "each number only once, which");
    epsilons.push_back(epsilon);
  }
  return epsilons;
}

std::vector<const RandomBlockDistribution*> distributions_of(const std::string& text) {
  std::vector<const RandomBlockDistribution*> distributions;
  std::string names;
  for (const auto& known : random_block_distributions()) names += (names.empty() ? "" : ", ") + std::string(known.name);
  for (const std::string& part : parts_of(text)) {
    const RandomBlockDistribution* const found = find_random_block_distribution(part);
    if (found == nullptr) refuse("--distribution", text, "a list of some of " + names + ", which");
    if (std::find(distributions.begin(), distributions.end(), found) != distributions.end())
      refuse("--distribution", text, "each name only once, which");
    distributions.push_back(found);
  }
  return distributions;
}

std::filesystem::path file_of(const std::string& option, const std::string& text, const std::string& ending) {
  const std::filesystem::path path = text;
  if (path.extension() != ending || path.stem().empty()) refuse(option, text, "a name that ends in " + ending);
  return path;
}

/// An option with a value, and what it does to the command.
struct ValuedOption {
  std::string_view name;
  void (*take)(const std::string& name, const std::string& value, RandomBlocksCommand& command);
};

using Command = RandomBlocksCommand;
constexpr ValuedOption kValuedOptions[] = {
    {"--blocks", [](auto& name, auto& value, Command& c) { c.options.blocks = count_of(name, value, 1, kMostBlocks); }},
    {"--width",
     [](auto& name, auto& value, Command& c) { c.options.shape.width = count_of(name, value, 1, kMostWidth); }},
    {"--states",
     [](auto& name, auto& value, Command& c) { c.options.shape.states = count_of(name, value, 1, kMostStates); }},
    {"--steps",
     [](auto& name, auto& value, Command& c) { c.options.shape.steps = count_of(name, value, 1, kMostSteps); }},
    {"--epsilon", [](auto&, auto& value, Command& c) { c.options.epsilons = epsilons_of(value); }},
    {"--distribution", [](auto&, auto& value, Command& c) { c.options.distributions = distributions_of(value); }},
    {"--seed", [](auto& name, auto& value, Command& c) { c.options.seed = count_of(name, value, 0, kMostSeed); }},
    {"--out", [](auto& name, auto& value, Command& c) { c.out = file_of(name, value, ".json"); }},
    {"--report", [](auto& name, auto& value, Command& c) { c.report = file_of(name, value, ".html"); }},
    {"--threads", [](auto& name, auto& value, Command& c) { c.threads = count_of(name, value, 1, kMostThreads); }},
};

bool take_flag(const std::string& option, RandomBlocksCommand& command) {
  if (option == "--json") {
    command.json = true;
  } else if (option == "--no-progress") {
    command.no_progress = true;
  } else if (option == "--help" || option == "-h") {
    command.help = true;
  } else {
    return option == "--random-blocks";
  }
  return true;
}

void require_a_size_that_fits(const RandomBlockOptions& options) {
  const RandomBlockShape& shape = options.shape;
  if (shape.steps > kMostInputs / shape.width)
    throw UsageError("--steps times --width: at most " + std::to_string(kMostInputs) + " is expected");
  if (shape.selected() > kMostWeights / shape.width)
    throw UsageError("--width times --width times (1 + 2 --states): at most " + std::to_string(kMostWeights) +
                     " is expected");
  if (options.epsilons.size() > kMostCurves)
    throw UsageError("--epsilon: at most " + std::to_string(kMostCurves) + " numbers are expected");
}

std::string quoted_for_shell(const std::string& text) {
  constexpr const char* kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=./:,@%";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string quoted = "'";
  for (const char letter : text) quoted += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  return quoted + "'";
}

std::string utc_date() {
  std::time_t now = std::time(nullptr);
  if (const char* fixed = std::getenv("SOURCE_DATE_EPOCH"))
    now = static_cast<std::time_t>(std::strtoll(fixed, nullptr, 10));
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

void write_record(const std::filesystem::path& out, const std::string& json) {
  const TemporaryOutput temporary({out});
  CommitSection section;
  write_file_atomically(out, json);
  section.done();
}

int render(const RandomBlocksCommand& command, const std::filesystem::path& reporter) {
  const int code = run_program(reporter, {command.out.string(), "--out", command.report->string()}, command.json);
  return code == kBadInput ? kResource : code;
}

}  // namespace

bool asks_for_random_blocks(const std::vector<std::string>& arguments) {
  const auto end = std::find(arguments.begin(), arguments.end(), "--");
  return std::any_of(arguments.begin(), end, [](const std::string& argument) {
    return argument == "--random-blocks" || argument.starts_with("--random-blocks=");
  });
}

RandomBlocksCommand parse_random_blocks_command(const std::vector<std::string>& arguments) {
  RandomBlocksCommand command;
  command.text = "lyap certify";
  for (const std::string& argument : arguments) command.text.append(" ").append(quoted_for_shell(argument));
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (!argument.starts_with("-") || argument == "-" || argument == "--")
      throw UsageError("--random-blocks takes no MODEL: leave out " + quoted_for_shell(argument));
    if (take_flag(argument, command)) continue;
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    RandomBlocksCommand ignored;
    if (take_flag(name, ignored)) throw UsageError(name + " takes no value");
    const auto* const option = std::find_if(std::begin(kValuedOptions), std::end(kValuedOptions),
                                            [&](const ValuedOption& known) { return known.name == name; });
    if (option == std::end(kValuedOptions))
      throw UsageError(quoted_for_shell(name) + " does not go with --random-blocks, whose --help lists what does");
    const bool follows = equals == std::string::npos;
    if (follows && (++i == arguments.size() || arguments[i].starts_with("--")))
      throw UsageError(name + ": a value is missing");
    option->take(name, follows ? arguments[i] : argument.substr(equals + 1), command);
  }
  if (!command.help) require_a_size_that_fits(command.options);
  return command;
}

int run_random_blocks(const std::vector<std::string>& arguments, Console& console) {
  const RandomBlocksCommand command = parse_random_blocks_command(arguments);
  if (command.help) {
    console.out << kHelp << std::flush;
    return kDone;
  }
  require_sound_rounding();
  std::optional<std::filesystem::path> reporter;
  if (command.report && !(reporter = sibling_program("lyap-report")))
    throw UsageError("--report needs the program lyap-report beside lyap-certify, and this build does not have it");
  set_thread_count(command.threads);
  Progress progress(console.err, command.no_progress ? ProgressStyle::kNone : console.progress);
  const RandomBlockExperiment experiment =
      run_random_block_experiment(command.options, [&progress](const std::string& part) {
        throw_if_interrupted();
        progress.announce(part);
      });
  progress.finish();
  const std::string json = random_blocks_json(experiment, {command.text, utc_date()});
  write_record(command.out, json);

  (command.json ? console.err : console.out)
      << random_blocks_table(experiment) << "Wrote " << command.out.string() << std::endl;
  if (command.json) console.out << json << std::flush;
  if (!console.out) throw ResourceError("stdout cannot be written; the record itself is in " + command.out.string());
  return reporter ? render(command, *reporter) : kDone;
}

}  // namespace lyap
