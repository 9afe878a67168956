#include "verify/check/json_member.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "verify/check/findings.hpp"
#include "verify/checkpoint/bad_input.hpp"

namespace lyap::check {

std::string Member::place_of(const std::string& key) const { return as_one_line(place_ + ", " + key, 200); }

void Member::refuse(const std::string& key, const std::string& expected) const {
  throw Deformed(place_of(key) + ": " + expected + " was expected");
}

bool Member::has(const std::string& key) const { return node_->is_object() && node_->contains(key); }

Member Member::at(const std::string& key) const {
  if (!node_->is_object()) throw Deformed(place_ + ": an object was expected");
  const auto found = node_->find(key);
  if (found == node_->end()) throw Deformed(place_of(key) + ": is missing");
  return {*found, place_of(key)};
}

bool Member::is_null(const std::string& key) const { return at(key).node().is_null(); }

Member Member::object(const std::string& key) const {
  Member member = at(key);
  if (!member.node().is_object()) refuse(key, "an object");
  return member;
}

std::vector<Member> Member::list(const std::string& key) const {
  const Member member = at(key);
  if (!member.node().is_array()) refuse(key, "a list");
  std::vector<Member> items;
  for (std::size_t i = 0; i < member.node().size(); ++i)
    items.emplace_back(member.node()[i], place_of(key) + "[" + std::to_string(i) + "]");
  return items;
}

std::string Member::as_text() const {
  if (!node_->is_string() || node_->get_ref<const std::string&>().empty())
    throw Deformed(place_ + ": a text was expected");
  return node_->get<std::string>();
}

std::string Member::text(const std::string& key) const { return at(key).as_text(); }

std::string Member::text_or_null(const std::string& key) const { return is_null(key) ? "" : text(key); }

std::string Member::word(const std::string& key, std::initializer_list<const char*> known) const {
  std::string found = text(key);
  if (std::none_of(known.begin(), known.end(), [&found](const char* word) { return found == word; }))
    throw Deformed(place_of(key) + ": " + quoted_name(found) + " is unknown");
  return found;
}

std::string Member::sha256(const std::string& key) const {
  std::string found = text(key);
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (found.size() != 64 || !std::all_of(found.begin(), found.end(), is_digit)) refuse(key, "a SHA-256");
  return found;
}

std::size_t Member::count(const std::string& key) const {
  const Member member = at(key);
  if (!member.node().is_number_unsigned()) refuse(key, "a whole number");
  return member.node().get<std::size_t>();
}

double Member::plain_number(const std::string& key) const {
  const Member member = at(key);
  if (!member.node().is_number()) refuse(key, "a number");
  return member.node().get<double>();
}

bool Member::flag(const std::string& key) const {
  const Member member = at(key);
  if (!member.node().is_boolean()) refuse(key, "true or false");
  return member.node().get<bool>();
}

}  // namespace lyap::check
