#include "serve/openai/answer_form.h"

#include <algorithm>

#include <boost/json/serialize.hpp>

namespace hone::serve {

namespace json = boost::json;

namespace {

using text::GrammarKind;

// Collects the forms that the fields ask for; there may be one.
class FormReader {
  public:
    explicit FormReader(FieldReader& fields) : fields_(fields) {}

    void add(std::string field, GrammarKind kind, std::string text) {
        if (form_) return fields_.refuse(field, fmt::format("cannot be combined with '{}'", form_->field));
        form_ = {.field = std::move(field), .source = {.kind = kind, .text = std::move(text)}};
    }

    // A schema, as JSON or as its text.
    void add_schema(const std::string& field, const json::value* schema) {
        if (!schema) return;
        if (schema->is_string()) return add(field, GrammarKind::kJsonSchema, std::string(schema->get_string()));
        if (!schema->is_object() && !schema->is_bool()) return fields_.refuse_type(field, "a JSON schema", *schema);
        add(field, GrammarKind::kJsonSchema, json::serialize(*schema));
    }

    void add_text(const std::string& field, GrammarKind kind, const json::value* text) {
        if (!text) return;
        if (!text->is_string()) return fields_.refuse_type(field, "a string", *text);
        if (!text->get_string().empty()) add(field, kind, std::string(text->get_string()));
    }

    void add_choices(const std::string& field, const json::value* choices) {
        if (!choices) return;
        if (!choices->is_array()) return fields_.refuse_type(field, "a list of strings", *choices);
        const json::array& list = choices->get_array();
        if (list.empty()) return fields_.refuse(field, "is empty");
        const auto other = std::ranges::find_if_not(list, [](const json::value& choice) { return choice.is_string(); });
        if (other != list.end()) {
            return fields_.refuse_type(fmt::format("{}[{}]", field, other - list.begin()), "a string", *other);
        }
        add(field, GrammarKind::kChoice, json::serialize(list));
    }

    void add_object(const std::string& field, const json::value* wanted) {
        if (!wanted) return;
        if (!wanted->is_bool()) return fields_.refuse_type(field, "true or false", *wanted);
        if (wanted->get_bool()) add(field, GrammarKind::kJsonObject, "");
    }

    void read_response_format() {
        const json::object* format = fields_.object("response_format");
        if (!format) return;
        const json::value* type = format->if_contains("type");
        if (!type || !type->is_string())
            return fields_.refuse("response_format.type", "must be a string", "invalid_type");
        if (type->get_string() == "text") return;
        if (type->get_string() == "json_object") return add("response_format", GrammarKind::kJsonObject, "");
        if (type->get_string() != "json_schema") {
            return fields_.refuse("response_format.type", "must be 'text', 'json_object' or 'json_schema'");
        }
        const json::value* described = format->if_contains("json_schema");
        if (!described || !described->is_object()) {
            return fields_.refuse("response_format.json_schema", "must be an object with a 'schema'", "invalid_type");
        }
        // Whether strict or not, the answer satisfies the schema. Without one it is any object.
        const json::value* schema = described->get_object().if_contains("schema");
        if (!schema || schema->is_null()) return add("response_format", GrammarKind::kJsonObject, "");
        add_schema("response_format.json_schema.schema", schema);
    }

    void read_structured_outputs() {
        const json::object* outputs = fields_.object("structured_outputs");
        if (!outputs) return;
        FieldReader nested(*outputs, "structured_outputs.");
        const bool compact = nested.flag("disable_any_whitespace").value_or(false);
        const bool closed = nested.flag("disable_additional_properties").value_or(false);
        for (const char* field : {"structural_tag", "whitespace_pattern"}) {
            if (nested.find(field)) nested.refuse(field, "is not supported by this server", "unsupported_parameter");
        }
        if (!nested.ok()) return fields_.adopt(*nested.failure());
        const std::string where = "structured_outputs.";
        add_schema(where + "json", nested.find("json"));
        add_text(where + "regex", GrammarKind::kRegex, nested.find("regex"));
        add_text(where + "grammar", GrammarKind::kEbnf, nested.find("grammar"));
        add_choices(where + "choice", nested.find("choice"));
        add_object(where + "json_object", nested.find("json_object"));
        if (!form_)
            return fields_.refuse("structured_outputs",
                                  "asks for no form: give json, regex, choice, grammar or json_object");
        if (compact) form_->source.whitespace = text::JsonWhitespace::kCompact;
        form_->source.open_objects = !closed;
    }

    std::optional<AnswerForm> form() && { return std::move(form_); }

  private:
    FieldReader& fields_;
    std::optional<AnswerForm> form_;
};

}  // namespace

std::optional<AnswerForm> read_answer_form(FieldReader& fields) {
    FormReader reader(fields);
    reader.read_response_format();
    reader.read_structured_outputs();
    reader.add_schema("guided_json", fields.find("guided_json"));
    reader.add_text("guided_regex", GrammarKind::kRegex, fields.find("guided_regex"));
    reader.add_text("guided_grammar", GrammarKind::kEbnf, fields.find("guided_grammar"));
    reader.add_choices("guided_choice", fields.find("guided_choice"));
    reader.add_object("guided_json_object", fields.find("guided_json_object"));
    return std::move(reader).form();
}

}  // namespace hone::serve
