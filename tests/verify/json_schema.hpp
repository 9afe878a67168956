#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lyap {

/// What in `document` contradicts the JSON Schema `schema`, with its place; empty where nothing does. Understands the
/// keywords that verify/certificate.schema.json uses and throws for any other. `strict`: members that the schema does
/// not name are errors too.
[[nodiscard]] std::string schema_violation(const nlohmann::json& schema, const nlohmann::json& document, bool strict);

/// verify/certificate.schema.json.
[[nodiscard]] nlohmann::json certificate_schema();

/// The first bound in `document` whose decimal is not on the safe side of its hexadecimal number, or that is NaN; empty
/// where there is none. `lower`, `lower_bound`, `witness` and what lies below them are rounded down, everything else
/// up.
[[nodiscard]] std::string decimal_violation(const nlohmann::json& document);

}  // namespace lyap
