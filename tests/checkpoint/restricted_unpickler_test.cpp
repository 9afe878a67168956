#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <span>

#include "tests/checkpoint/crafted_model.hpp"
#include "tests/checkpoint/pickle_pieces.hpp"
#include "verify/checkpoint/restricted_unpickler.hpp"

// Pickles put together byte by byte: what torch.save writes is read, everything else is refused and nothing runs.
namespace lyap {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using testing::dict;
using testing::global;
using ::testing::HasSubstr;
using testing::integer;
using testing::kProtocol;
using testing::long_integer;
using testing::one_tensor;
using testing::ordered_dict;
using testing::state_dict;
using testing::storage;
using testing::tensor;
using testing::tuple;
using testing::unicode;
using Sizes = std::vector<std::size_t>;

std::vector<PickledTensor> read(const std::string& pickle) {
  return unpickle_state_dict(std::as_bytes(std::span(pickle)), "model.bin");
}

std::string refusal(const std::string& pickle) {
  return testing::refusal_of("model.bin: data.pkl", [&] { static_cast<void>(read(pickle)); });
}

std::string floats() { return storage("FloatStorage", "0", 6); }
std::string dict_of(const std::string& value) { return state_dict(unicode("w") + value); }

TEST(RestrictedUnpickler, ReadsNameStorageAndLayoutOfATensor) {
  const auto tensors = read(dict_of(tensor(storage("BFloat16Storage", "17", 40), 3, {2, 5}, {1, 7})));
  ASSERT_EQ(tensors.size(), 1u);
  EXPECT_EQ(tensors[0].name, "w");
  EXPECT_EQ(tensors[0].storage_type, "BFloat16Storage");
  EXPECT_EQ(tensors[0].storage_key, "17");
  EXPECT_EQ(tensors[0].storage_elements, 40u);
  EXPECT_EQ(tensors[0].offset, 3u);
  EXPECT_EQ(tensors[0].shape, (Sizes{2, 5}));
  EXPECT_EQ(tensors[0].strides, (Sizes{1, 7}));
}

TEST(RestrictedUnpickler, ReadsEveryFormOfAnInteger) {
  const auto offset = [](const std::string& number) {
    const std::string view = global("torch._utils", "_rebuild_tensor_v2") +
                             tuple({floats(), number, ")", ")", "\x89", ordered_dict()}) + "R";
    return read(dict_of(view)).at(0).offset;
  };
  EXPECT_EQ(offset("K\xff"), 255u);
  EXPECT_EQ(offset("M\xff\xff"), 65535u);
  EXPECT_EQ(offset(std::string("J\xff\xff\xff\x7f")), 2147483647u);
  EXPECT_EQ(offset(std::string("\x8a\x00", 2)), 0u);
  EXPECT_EQ(offset(std::string("\x8a\x02\xff\x00", 4)), 255u);
  EXPECT_EQ(offset(std::string("\x8a\x05\x00\x00\x00\x00\x02", 7)), 8589934592u);
  const auto refused = [](const std::string& number) {
    return refusal(dict_of(global("torch._utils", "_rebuild_tensor_v2") +
                           tuple({floats(), number, ")", ")", "\x89", ordered_dict()}) + "R"));
  };
  EXPECT_THAT(refused("\x8a\x01\xff"), HasSubstr("offset is not a non-negative integer"));
  EXPECT_THAT(refused("J\xff\xff\xff\xff"), HasSubstr("offset is not a non-negative integer"));
  EXPECT_THAT(refused(std::string("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00", 11)),
              HasSubstr("integer of 9 bytes"));
}

TEST(RestrictedUnpickler, ReadsParametersSizesAndMetadataOfTheStateDict) {
  const std::string parameter = global("torch._utils", "_rebuild_parameter") +
                                tuple({tensor(floats(), 0, {6}, {1}), "\x88", ordered_dict()}) + "R";
  const std::string size = global("torch", "Size") + tuple({tuple({integer(2), integer(3)})}) + "R";
  const std::string sized =
      global("torch._utils", "_rebuild_tensor_v2") +
      tuple({floats(), integer(0), size, tuple({integer(3), integer(1)}), "\x89", ordered_dict()}) + "R";
  const std::string metadata =
      dict(unicode("_metadata"), ordered_dict() + "(" + unicode("") + dict(unicode("version"), integer(1)) + "u");
  const auto tensors =
      read(kProtocol + ordered_dict() + "(" + unicode("a") + parameter + unicode("b") + sized + "u" + metadata + "b.");
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].name, "a");
  EXPECT_EQ(tensors[1].shape, (Sizes{2, 3}));
}

TEST(RestrictedUnpickler, NamesAForeignGlobalAndRunsNothing) {
  EXPECT_THAT(refusal(kProtocol + global("os", "system") + tuple({unicode("true")}) + "R."),
              AllOf(HasSubstr("byte 2"), HasSubstr("'os.system'"), HasSubstr("nothing was run")));
  for (const auto& [module, name] : {std::pair{"builtins", "eval"},
                                     {"__builtin__", "exec"},
                                     {"posix", "system"},
                                     {"subprocess", "Popen"},
                                     {"torch", "load"},
                                     {"torch", "ComplexFloatStorage"},
                                     {"torch._utils", "_rebuild_sparse_tensor"},
                                     {"torch._utils", "_rebuild_tensor"},
                                     {"torch._utils", "_rebuild_parameter_with_state"},
                                     {"collections", "defaultdict"},
                                     {"torch.serialization", "_get_layout"},
                                     {"torch", "Size.__class__"},
                                     {"torch.FloatStorage", ""},
                                     {"", "torch.Size"}}) {
    EXPECT_THAT(refusal(kProtocol + global(module, name) + ")R."),
                AllOf(HasSubstr("global"), HasSubstr(std::string(module) + "." + name)));
  }
  EXPECT_THAT(refusal(kProtocol + global("os\x1b[31m", "sys\xfftem") + "."), HasSubstr("\\x1b"));
}

TEST(RestrictedUnpickler, CallsOnlyTheFourConstructorsAndOnlyAsTorchDoes) {
  const auto call = [](const std::string& callee, const std::string& arguments) {
    return refusal(kProtocol + callee + arguments + "R.");
  };
  EXPECT_THAT(call(global("torch", "FloatStorage"), ")"), HasSubstr("calls 'torch.FloatStorage'"));
  EXPECT_THAT(call(unicode("os.system"), tuple({unicode("true")})), HasSubstr("not an allowed global"));
  EXPECT_THAT(call(integer(1), ")"), HasSubstr("not an allowed global"));
  EXPECT_THAT(call(ordered_dict(), ")"), HasSubstr("not an allowed global"));
  EXPECT_THAT(call(global("collections", "OrderedDict"), "]"), HasSubstr("without a tuple"));
  EXPECT_THAT(call(global("collections", "OrderedDict"), tuple({"]"})), HasSubstr("from arguments"));
  EXPECT_THAT(call(global("torch", "Size"), ")"), HasSubstr("torch.Size"));
  EXPECT_THAT(call(global("torch", "Size"), tuple({integer(1)})), HasSubstr("torch.Size"));
  EXPECT_THAT(call(global("torch._utils", "_rebuild_parameter"), ")"), HasSubstr("without a tensor"));
  EXPECT_THAT(call(global("torch._utils", "_rebuild_parameter"), tuple({"}", "\x88", "}"})),
              HasSubstr("without a tensor"));
  EXPECT_THAT(call(global("torch._utils", "_rebuild_tensor_v2"), ")"), HasSubstr("storage and its layout"));
  EXPECT_THAT(call(global("torch._utils", "_rebuild_tensor_v2"), tuple({"}", "N", "N", "N", "\x89", "}"})),
              HasSubstr("storage and its layout"));
}

TEST(RestrictedUnpickler, RefusesEveryOpcodeThatTorchDoesNotWrite) {
  const std::string allowed = "(.JKMGNX)te]ae}suqrhjcQRb\x8a\x88\x89\x85\x86\x87";
  for (int code = 0; code < 256; ++code) {
    const auto opcode = static_cast<char>(code);
    const std::string text = refusal(kProtocol + "}" + opcode + "\n\n\n\n\n\n\n\n\n.");
    if (allowed.find(opcode) == std::string::npos) {
      EXPECT_THAT(text, AllOf(HasSubstr("byte 3: the opcode"), HasSubstr("nothing was run"))) << code;
    } else {
      EXPECT_THAT(text, ::testing::Not(HasSubstr("byte 3: the opcode"))) << code;
    }
  }
  for (const auto& [opcode, name] : {std::pair{"\x93", "STACK_GLOBAL (0x93)"},
                                     {"i", "INST (0x69)"},
                                     {"o", "OBJ (0x6f)"},
                                     {"\x81", "NEWOBJ (0x81)"},
                                     {"\x92", "NEWOBJ_EX (0x92)"},
                                     {"\x82", "EXT1 (0x82)"},
                                     {"\x84", "EXT4 (0x84)"},
                                     {"P", "PERSID (0x50)"},
                                     {"2", "DUP (0x32)"},
                                     {"\xff", "0xff"}}) {
    EXPECT_THAT(refusal(kProtocol + opcode + "."), HasSubstr(std::string("byte 2: the opcode ") + name + " is not"));
  }
}

TEST(RestrictedUnpickler, ReadsProtocolTwoOnlyAndOnlyAtTheBeginning) {
  EXPECT_THAT(refusal("}."), HasSubstr("does not begin with its protocol"));
  EXPECT_THAT(refusal("\x80\x04}."), HasSubstr("protocol 4"));
  EXPECT_THAT(refusal("\x80\x02\x80\x02}."), HasSubstr("PROTO"));
  EXPECT_EQ(refusal("\x80\x02}."), "accepted");
}

TEST(RestrictedUnpickler, RefusesPersistentIdsOfOtherThings) {
  const auto id = [](const std::vector<std::string>& parts) { return refusal(kProtocol + tuple(parts) + "Q."); };
  const std::string tag = unicode("storage"), type = global("torch", "FloatStorage"), key = unicode("0"),
                    place = unicode("cpu");
  const auto is_refused = HasSubstr("persistent id");
  EXPECT_THAT(id({tag, type, key, place, integer(1)}), HasSubstr("state dict"));  // sound, but not a state dict
  EXPECT_THAT(id({}), is_refused);
  EXPECT_THAT(id({tag, type, key, place}), is_refused);
  EXPECT_THAT(id({tag, type, key, place, integer(1), "N"}), is_refused);
  EXPECT_THAT(id({unicode("module"), type, key, place, integer(1)}), is_refused);
  EXPECT_THAT(id({tag, global("collections", "OrderedDict"), key, place, integer(1)}), is_refused);
  EXPECT_THAT(id({tag, unicode("FloatStorage"), key, place, integer(1)}), is_refused);
  EXPECT_THAT(id({tag, type, integer(0), place, integer(1)}), is_refused);
  EXPECT_THAT(id({tag, type, key, "N", integer(1)}), is_refused);
  EXPECT_THAT(id({tag, type, unicode(std::string(65, '0')), place, integer(1)}), HasSubstr("overlong key"));
  EXPECT_THAT(id({tag, type, key, place, integer(-1)}), HasSubstr("storage's size"));
  EXPECT_THAT(id({tag, type, key, place, "N"}), HasSubstr("storage's size"));
  EXPECT_THAT(refusal(kProtocol + unicode("storage") + "Q."), is_refused);
}

TEST(RestrictedUnpickler, RefusesViewsThatChangeTheirNumbers) {
  const auto with = [](const std::vector<std::string>& rest) {
    return refusal(dict_of(tensor(floats(), 0, {6}, {1}, rest)));
  };
  EXPECT_EQ(with({"\x89", ordered_dict(), "N"}), "accepted");
  EXPECT_EQ(with({"\x88", ordered_dict(), "}"}), "accepted");
  EXPECT_THAT(with({"\x89", ordered_dict(), dict(unicode("neg"), "\x88")}), HasSubstr("negate"));
  EXPECT_THAT(with({"\x89", ordered_dict(), unicode("neg")}), HasSubstr("negate"));
  EXPECT_THAT(with({"\x89", dict(unicode("hook"), "\x88")}), HasSubstr("hooks"));
  EXPECT_THAT(with({"N", ordered_dict()}), HasSubstr("requires_grad"));
  EXPECT_THAT(with({"\x89", ordered_dict(), "N", "N"}), HasSubstr("layout"));
  EXPECT_THAT(with({"\x89"}), HasSubstr("layout"));
}

TEST(RestrictedUnpickler, RefusesLayoutsThatAreNone) {
  EXPECT_THAT(refusal(dict_of(tensor(floats(), -1, {6}, {1}))), HasSubstr("offset"));
  EXPECT_THAT(refusal(dict_of(tensor(floats(), 0, {-6}, {1}))), HasSubstr("shape"));
  EXPECT_THAT(refusal(dict_of(tensor(floats(), 5, {6}, {-1}))), HasSubstr("strides"));
  EXPECT_THAT(refusal(dict_of(tensor(floats(), 0, {6}, {1, 1}))), HasSubstr("1 sizes and 2 strides"));
  const std::vector<std::int64_t> axes(17, 1);
  EXPECT_THAT(refusal(dict_of(tensor(floats(), 0, axes, axes))), HasSubstr("more than 16"));
  EXPECT_THAT(refusal(dict_of(global("torch._utils", "_rebuild_tensor_v2") +
                              tuple({floats(), integer(0), "]", ")", "\x89", ordered_dict()}) + "R")),
              HasSubstr("shape is not a tuple"));
}

TEST(RestrictedUnpickler, RefusesEveryTruncation) {
  const std::string good = one_tensor();
  ASSERT_EQ(refusal(good), "accepted");
  for (std::size_t length = 0; length < good.size(); ++length) {
    EXPECT_THAT(refusal(good.substr(0, length)), AnyOf(HasSubstr("truncated"), HasSubstr("protocol"))) << length;
  }
}

TEST(RestrictedUnpickler, BoundsWhatAPickleMayHold) {
  EXPECT_THAT(refusal(kProtocol + std::string(1'000'001, '(') + "."), HasSubstr("more objects"));
  EXPECT_THAT(refusal(kProtocol + std::string(1'000'001, 'N') + "."), HasSubstr("more objects"));
  EXPECT_THAT(refusal(kProtocol + "](" + std::string(600'000, 'N') + "e(" + std::string(600'000, 'N') + "e."),
              HasSubstr("more objects"));
  EXPECT_THAT(refusal(kProtocol + "]" + std::string(999'000, '\x85') + "."), HasSubstr("state dict"));  // nested deeply
  EXPECT_THAT(refusal(kProtocol + std::string("}r\xff\xff\xff\xff.")), HasSubstr("memo index 4294967295"));
  EXPECT_THAT(refusal(kProtocol + std::string("}r\x40\x42\x0f\x00.", 7)), HasSubstr("memo index 1000000"));
  EXPECT_EQ(refusal(kProtocol + std::string("}r\x3f\x42\x0f\x00j\x3f\x42\x0f\x00"
                                            "b.",
                                            13)),
            "accepted");
  EXPECT_THAT(refusal(kProtocol + "X\xff\xff\xff\x7f."), HasSubstr("string of 2147483647 bytes"));
  EXPECT_THAT(refusal(kProtocol + unicode(std::string(65'537, 'a')) + "."), HasSubstr("string of 65537 bytes"));
  EXPECT_THAT(refusal(kProtocol + "c" + std::string(300, 'a') + "\nb\n."), HasSubstr("global's name of over"));
}

TEST(RestrictedUnpickler, RefusesAStackThatDoesNotAddUp) {
  for (const std::string pickle :
       {".", "R.", "Q.", "b.", "s.", "}s.", "a.", "\x85.", "}\x87.", "q\x01.", "(q\x01.", "(.", "(b.", "(\x85."}) {
    EXPECT_THAT(refusal(kProtocol + pickle), HasSubstr("not there")) << pickle;
  }
  for (const std::string pickle : {"t.", "u.", "e.", "}u."})
    EXPECT_THAT(refusal(kProtocol + pickle), HasSubstr("no mark")) << pickle;
  EXPECT_THAT(refusal(kProtocol + "}}."), HasSubstr("leaves values"));
  EXPECT_THAT(refusal(kProtocol + "(}."), HasSubstr("leaves values"));
  EXPECT_THAT(refusal(one_tensor() + "x"), HasSubstr("goes on after its end"));
  EXPECT_THAT(refusal(kProtocol + "h\x07."), HasSubstr("memo index 7 was never set"));
  EXPECT_THAT(refusal(kProtocol + "}(" + unicode("w") + "u."), HasSubstr("no value"));
  EXPECT_THAT(refusal(kProtocol + "](NNu."), HasSubstr("not a dict"));
  EXPECT_THAT(refusal(kProtocol + "]NNs."), HasSubstr("not a dict"));
  EXPECT_THAT(refusal(kProtocol + "}Na."), HasSubstr("not a list"));
  EXPECT_THAT(refusal(kProtocol + ")(Ne."), HasSubstr("not a list"));
}

TEST(RestrictedUnpickler, DropsMetadataAndNoOtherAttribute) {
  const auto state = [](const std::string& object, const std::string& value) {
    return refusal(kProtocol + object + value + "b.");
  };
  EXPECT_EQ(state(ordered_dict(), dict(unicode("_metadata"), ordered_dict())), "accepted");
  EXPECT_EQ(state(ordered_dict(), "}"), "accepted");
  EXPECT_THAT(state(ordered_dict(), dict(unicode("items"), "N")), HasSubstr("attribute 'items'"));
  EXPECT_THAT(state(ordered_dict(), dict(integer(1), "N")), HasSubstr("not a string"));
  EXPECT_THAT(state(ordered_dict(), tuple({"}", "}"})), HasSubstr("state that is not a dict"));
  EXPECT_THAT(state("]", "}"), HasSubstr("something that is not a dict"));
  EXPECT_THAT(state(global("torch", "FloatStorage"), "}"), HasSubstr("something that is not a dict"));
}

TEST(RestrictedUnpickler, RefusesWhatIsNotAStateDictOfTensors) {
  EXPECT_THAT(refusal(kProtocol + "]."), HasSubstr("does not hold a state dict"));
  EXPECT_THAT(refusal(kProtocol + global("torch", "FloatStorage") + "."), HasSubstr("does not hold a state dict"));
  EXPECT_THAT(refusal(dict_of(integer(3))), HasSubstr("entry 'w' of the state dict is not a tensor"));
  EXPECT_THAT(refusal(dict_of(floats())), HasSubstr("not a tensor"));
  EXPECT_THAT(refusal(dict_of("}")), HasSubstr("not a tensor"));
  EXPECT_THAT(refusal(state_dict(integer(1) + tensor(floats(), 0, {6}, {1}))),
              HasSubstr("key of the state dict is not a string"));
  const std::string entry = unicode("w") + tensor(floats(), 0, {6}, {1});
  EXPECT_THAT(refusal(state_dict(entry + entry)), HasSubstr("names 'w' twice"));
  EXPECT_THAT(refusal(kProtocol + "]q\x01h\x01"
                                  "a."),
              HasSubstr("state dict"));                                                              // a list in itself
  EXPECT_THAT(refusal(kProtocol + "}q\x01" + unicode("w") + "h\x01s."), HasSubstr("not a tensor"));  // a dict in itself
}

// Whatever is damaged: the pickle is read, or refused as bad input; nothing else happens.
TEST(RestrictedUnpickler, ReadsOrRefusesRandomDamage) {
  const std::string archive = testing::bytes_of(testing::fixture("mamba-bin") / "pytorch_model.bin");
  const std::size_t begin = archive.find(
      "\x80\x02"
      "ccollections\nOrderedDict\n");
  ASSERT_NE(begin, std::string::npos);
  const std::string good =
      archive.substr(begin, archive.find("ub.", begin) == std::string::npos ? archive.find("sb.", begin) + 3 - begin
                                                                            : archive.find("ub.", begin) + 3 - begin);
  ASSERT_EQ(refusal(good), "accepted");
  std::mt19937_64 random(20);
  const std::size_t cases = testing::scaled(20'000);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < cases; ++i) {
    std::string bad = good;
    for (std::size_t flips = 1 + i % 4; flips > 0; --flips) {
      char& byte = bad[random() % bad.size()];
      byte = i % 2 == 0 ? static_cast<char>(random()) : static_cast<char>(byte ^ (1 << random() % 8));
    }
    if (i % 5 == 0) bad.erase(random() % bad.size(), 1 + random() % 8);
    if (i % 7 == 0) bad.insert(random() % bad.size(), bad.substr(random() % bad.size(), random() % 32));
    if (refusal(bad) != "accepted") ++refused;
  }
  EXPECT_GT(refused, cases / 2);
}

}  // namespace
}  // namespace lyap
