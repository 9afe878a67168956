#include "reports/json_view.hpp"

#include "verify/checkpoint/bad_input.hpp"

namespace lyap {
namespace {

constexpr double kMaximalCount = 9007199254740992.0;

}  // namespace

void JsonView::fail(const std::string& problem) const {
  throw BadInput(*file_, place_.empty() ? problem : place_ + ": " + problem);
}

JsonView JsonView::at(const std::string& key) const {
  if (!node_->is_object()) fail("an object is expected");
  const auto found = node_->find(key);
  if (found == node_->end()) fail("the member \"" + key + "\" is missing");
  return {*file_, place_.empty() ? key : place_ + "." + key, *found};
}

std::optional<JsonView> JsonView::find(const std::string& key) const {
  if (!node_->is_object()) fail("an object is expected");
  const auto found = node_->find(key);
  if (found == node_->end() || found->is_null()) return std::nullopt;
  return at(key);
}

std::vector<JsonView> JsonView::elements() const {
  if (!node_->is_array()) fail("a list is expected");
  std::vector<JsonView> result;
  for (std::size_t i = 0; i < node_->size(); ++i)
    result.emplace_back(*file_, place_ + "[" + std::to_string(i) + "]", (*node_)[i]);
  return result;
}

std::vector<std::pair<std::string, JsonView>> JsonView::members() const {
  if (!node_->is_object()) fail("an object is expected");
  std::vector<std::pair<std::string, JsonView>> result;
  for (const auto& item : node_->items()) result.emplace_back(item.key(), at(item.key()));
  return result;
}

std::string JsonView::text() const {
  if (!node_->is_string()) fail("a text is expected");
  return node_->get<std::string>();
}

std::string JsonView::text_or(const std::string& key, const std::string& otherwise) const {
  const auto member = find(key);
  return member ? member->text() : otherwise;
}

std::size_t JsonView::count() const {
  if (!node_->is_number_unsigned() || node_->get<double>() >= kMaximalCount) fail("a count is expected");
  return node_->get<std::size_t>();
}

std::string JsonView::any_text() const { return node_->is_string() ? node_->get<std::string>() : node_->dump(); }

}  // namespace lyap
