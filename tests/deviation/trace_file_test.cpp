#include "verify/deviation/trace_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#include "numerics/contract_violation.hpp"
#include "tests/checkpoint/crafted_model.hpp"
#include "verify/checkpoint/token_sequence.hpp"

namespace lyap {
namespace {

using deviation::IntervalMatrix;
using ::testing::AllOf;
using testing::CraftedTensor;
using ::testing::HasSubstr;

constexpr std::size_t kSteps = 8;  // of the files in tests/data/traces, which check_recorded_trace.py writes
const std::vector<std::string> kQuantities{"x", "B", "C", "preactivation", "z"};

std::filesystem::path recorded(const std::string& model) {
  return std::filesystem::path(LYAP_SOURCE_DIR) / "tests/data/traces" / (model + "-autocast-bf16.safetensors");
}

const Checkpoint& example(const std::string& model) {
  static const std::filesystem::path folder = std::filesystem::path(LYAP_SOURCE_DIR) / "verify/examples";
  static const Checkpoint mamba = Checkpoint::open(folder / "mamba-tiny");
  static const Checkpoint mamba2 = Checkpoint::open(folder / "mamba2-tiny");
  return model == "mamba-tiny" ? mamba : mamba2;
}

/// The file's numbers without the code under test.
std::vector<double> bfloat16_values(const CraftedTensor& tensor) {
  EXPECT_EQ(tensor.dtype, "BF16");
  std::vector<double> values(tensor.bytes.size() / 2);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t half = 0;
    std::memcpy(&half, tensor.bytes.data() + 2 * i, sizeof half);
    const std::uint32_t bits = static_cast<std::uint32_t>(half) << 16;
    float value = 0.0F;
    std::memcpy(&value, &bits, sizeof value);
    values[i] = value;
  }
  return values;
}

const IntervalMatrix& quantity_of(const deviation::FrontChunk& front, const std::string& quantity) {
  if (quantity == "x") return front.scan.x;
  if (quantity == "B") return front.scan.B;
  if (quantity == "C") return front.scan.C;
  return quantity == "z" ? front.z : front.p;
}

void expect_points(const IntervalMatrix& matrix, const CraftedTensor& tensor, const std::vector<double>& values) {
  ASSERT_EQ(static_cast<std::size_t>(matrix.rows()), tensor.shape[0]);
  ASSERT_EQ(static_cast<std::size_t>(matrix.columns()), tensor.shape[1]);
  ASSERT_EQ(matrix.upper.rows(), matrix.rows());
  ASSERT_EQ(matrix.upper.cols(), matrix.columns());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(matrix.lower.data()[i], values[i]);
    EXPECT_EQ(matrix.upper.data()[i], values[i]);
  }
}

/// The recorded trace, to be spoilt: what the reader says of it.
struct CraftedTrace {
  explicit CraftedTrace(const std::string& name) : model(name), tensors(testing::plain_tensors(recorded(name))) {}

  [[nodiscard]] std::string refusal(std::size_t steps = kSteps, std::size_t first = 0, std::size_t last = 5) const {
    const testing::TemporaryFolder folder;
    const auto file = folder.write("trace.safetensors", testing::safetensors_bytes(tensors));
    return testing::refusal_of("trace.safetensors",
                               [&] { static_cast<void>(read_scan_trace(file, example(model), steps, first, last)); });
  }

  std::string model;
  std::map<std::string, CraftedTensor> tensors;
};

class RecordedTrace : public ::testing::TestWithParam<const char*> {};

TEST_P(RecordedTrace, OfTransformersUnderAutocastIsReadNumberByNumber) {
  const auto tensors = testing::plain_tensors(recorded(GetParam()));
  const ScanTrace trace = read_scan_trace(recorded(GetParam()), example(GetParam()), kSteps, 0, 5);
  ASSERT_EQ(trace.size(), 6u);
  for (const auto& [layer, front] : trace) {
    EXPECT_EQ(front.scan.step_size.rows(), 0);
    for (const std::string& quantity : kQuantities) {
      const CraftedTensor& tensor = tensors.at("layer." + std::to_string(layer) + "." + quantity);
      expect_points(quantity_of(front, quantity), tensor, bfloat16_values(tensor));
    }
  }
}

TEST_P(RecordedTrace, IsReadOnlyForTheLayersAskedFor) {
  CraftedTrace crafted(GetParam());
  std::erase_if(crafted.tensors, [](const auto& tensor) { return tensor.first.starts_with("layer.5."); });
  EXPECT_EQ(crafted.refusal(kSteps, 2, 4), "accepted");
  EXPECT_THAT(crafted.refusal(kSteps, 2, 5), HasSubstr("'layer.5.x'"));
  const ScanTrace trace = read_scan_trace(recorded(GetParam()), example(GetParam()), kSteps, 2, 4);
  EXPECT_EQ(trace.size(), 3u);
  EXPECT_TRUE(trace.contains(2) && trace.contains(4));
}

TEST_P(RecordedTrace, ServesAsTokensAndActivationsToo) {
  const ModelDescription& description = example(GetParam()).description();
  EXPECT_EQ(read_token_ids(recorded(GetParam()), description.vocabulary).size(), kSteps);
  const auto inputs = read_activations(recorded(GetParam()), description.layers, description.d_model);
  EXPECT_EQ(inputs.size(), description.layers);
  EXPECT_EQ(inputs.at(0).rows, kSteps);
}

TEST_P(RecordedTrace, NeedsEveryTensorButTheGate) {
  for (const std::string& quantity : kQuantities) {
    CraftedTrace crafted(GetParam());
    crafted.tensors.erase("layer.3." + quantity);
    if (quantity == "z") {
      EXPECT_EQ(crafted.refusal(), "accepted");
    } else {
      EXPECT_THAT(crafted.refusal(), HasSubstr("'layer.3." + quantity + "'"));
    }
  }
}

TEST_P(RecordedTrace, OfAnotherLengthIsRefused) {
  const CraftedTrace crafted(GetParam());
  EXPECT_THAT(crafted.refusal(kSteps + 1), AllOf(HasSubstr("8 time steps"), HasSubstr("9")));
  EXPECT_THAT(crafted.refusal(kSteps - 1), AllOf(HasSubstr("8 time steps"), HasSubstr("7")));
  for (const std::string& quantity : kQuantities) {
    CraftedTrace shorter(GetParam());
    CraftedTensor& tensor = shorter.tensors.at("layer.4." + quantity);
    tensor.shape[0] -= 1;
    tensor.bytes.resize(2 * tensor.shape[0] * tensor.shape[1]);
    EXPECT_THAT(shorter.refusal(), AllOf(HasSubstr("'layer.4." + quantity + "'"), HasSubstr("7 time steps")));
  }
}

TEST_P(RecordedTrace, OfAnotherWidthOrRankIsRefused) {
  for (const std::string& quantity : kQuantities) {
    CraftedTrace crafted(GetParam());
    CraftedTensor& tensor = crafted.tensors.at("layer.0." + quantity);
    tensor.shape[1] -= 1;
    tensor.bytes.resize(2 * tensor.shape[0] * tensor.shape[1]);
    EXPECT_THAT(crafted.refusal(), AllOf(HasSubstr("'layer.0." + quantity + "'"), HasSubstr("expected [8, ")));
    CraftedTrace batched(GetParam());
    std::vector<std::size_t>& shape = batched.tensors.at("layer.0." + quantity).shape;
    shape.insert(shape.begin(), 1);
    EXPECT_THAT(batched.refusal(), HasSubstr("'layer.0." + quantity + "'"));
  }
}

TEST_P(RecordedTrace, WithANumberThatIsNotFiniteIsRefused) {
  for (const std::string& quantity : kQuantities) {
    for (const std::uint16_t wrong : {std::uint16_t{0x7fc0}, std::uint16_t{0x7f80}, std::uint16_t{0xff80}}) {
      CraftedTrace crafted(GetParam());
      CraftedTensor& tensor = crafted.tensors.at("layer.2." + quantity);
      std::memcpy(tensor.bytes.data() + 2 * (3 * tensor.shape[1] + 1), &wrong, sizeof wrong);
      EXPECT_THAT(crafted.refusal(), AllOf(HasSubstr("'layer.2." + quantity + "'"), HasSubstr("step 3, column 1")));
    }
  }
}

TEST_P(RecordedTrace, OfLayersThatTheModelLacksIsRefused) {
  for (const std::string layer : {"6", "18446744073709551616"}) {
    CraftedTrace crafted(GetParam());
    crafted.tensors["layer." + layer + ".x"] = crafted.tensors.at("layer.0.x");
    EXPECT_THAT(crafted.refusal(), AllOf(HasSubstr("'layer." + layer + ".x'"), HasSubstr("which has 6")));
  }
  CraftedTrace crafted(GetParam());
  for (const std::string name : {"layer.06.x", "layer.6.y", "layer.x", "layers.6.x", "layer..x", "x"}) {
    crafted.tensors[name] = crafted.tensors.at("layer.0.x");
  }
  EXPECT_EQ(crafted.refusal(), "accepted");
}

TEST_P(RecordedTrace, OfIntegersIsRefused) {
  CraftedTrace crafted(GetParam());
  crafted.tensors.at("layer.1.B").dtype = "I16";
  EXPECT_THAT(crafted.refusal(), AllOf(HasSubstr("'layer.1.B'"), HasSubstr("I16")));
}

TEST_P(RecordedTrace, OfTheOtherFamilyIsRefused) {
  CraftedTrace crafted(GetParam());
  crafted.model = crafted.model == "mamba-tiny" ? "mamba2-tiny" : "mamba-tiny";
  EXPECT_THAT(crafted.refusal(), AllOf(HasSubstr("'layer.0.B'"), HasSubstr("expected [8, ")));
}

TEST_P(RecordedTrace, ForNoStepOrNoLayerIsMisuse) {
  const auto read = [](std::size_t steps, std::size_t first, std::size_t last) {
    static_cast<void>(read_scan_trace(recorded(GetParam()), example(GetParam()), steps, first, last));
  };
  EXPECT_THROW(read(0, 0, 5), ContractViolation);
  EXPECT_THROW(read(kSteps, 1, 0), ContractViolation);
  EXPECT_THROW(read(kSteps, 0, 6), ContractViolation);
}

INSTANTIATE_TEST_SUITE_P(Models, RecordedTrace, ::testing::Values("mamba-tiny", "mamba2-tiny"), [](const auto& model) {
  return std::string(model.param) == "mamba-tiny" ? "Mamba" : "Mamba2";
});

TEST(ScanTraceTypes, EveryFloatingTypeIsReadExactly) {
  CraftedTrace crafted("mamba2-tiny");
  const std::vector<double> numbers{1.0, -0.09375, 0x1p-14, 0.0, -0.0, 1024.0};
  const auto encoded = [&](const std::string& dtype) {
    CraftedTensor tensor{dtype, {kSteps, 6}, {}};
    const std::vector<std::uint16_t> halves{0x3c00, 0xae00, 0x0400, 0x0000, 0x8000, 0x6400};
    for (std::size_t i = 0; i < kSteps * 6; ++i) {
      const auto single = static_cast<float>(numbers[i % 6]);
      if (dtype == "F16") tensor.bytes.append(reinterpret_cast<const char*>(&halves[i % 6]), 2);
      if (dtype == "F32") tensor.bytes.append(reinterpret_cast<const char*>(&single), 4);
      if (dtype == "F64") tensor.bytes.append(reinterpret_cast<const char*>(&numbers[i % 6]), 8);
    }
    return tensor;
  };
  const testing::TemporaryFolder folder;
  for (const std::string dtype : {"F16", "F32", "F64"}) {
    crafted.tensors["layer.1.preactivation"] = encoded(dtype);
    const auto file = folder.write("trace.safetensors", testing::safetensors_bytes(crafted.tensors));
    const IntervalMatrix p = read_scan_trace(file, example("mamba2-tiny"), kSteps, 1, 1).at(1).p;
    for (std::size_t i = 0; i < kSteps * 6; ++i) {
      EXPECT_EQ(p.lower.data()[i], numbers[i % 6]) << dtype;
      EXPECT_EQ(std::signbit(p.upper.data()[i]), std::signbit(numbers[i % 6])) << dtype;
    }
  }
}

}  // namespace
}  // namespace lyap
