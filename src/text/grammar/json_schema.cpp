#include "text/grammar/json_schema.h"

#include "base/check.h"
#include "text/grammar/schema_compiler.h"

namespace hone::text {

Result<Expression> add_json_schema(GrammarBuilder& builder, const boost::json::value& schema,
                                   const JsonSchemaOptions& options) {
    auto expression = SchemaCompiler(builder, schema, options).compile(schema);
    if (!expression) return expression.error().within("schema");
    return expression;
}

Result<BareValue> add_bare_value(GrammarBuilder& builder, const boost::json::value& root, const std::string& pointer,
                                 const BareStrings& strings, const JsonSchemaOptions& options) {
    boost::system::error_code code;
    const boost::json::value* schema = root.find_pointer(pointer, code);
    CHECK(schema, "no schema at {}", pointer);
    auto value = SchemaCompiler(builder, root, options).compile_bare({schema, "#" + pointer}, strings);
    if (!value) return value.error().within("schema");
    return value;
}

Expression add_json_object(GrammarBuilder& builder, const JsonSchemaOptions& options) {
    return JsonParts(builder, options).object();
}

Expression add_json_value(GrammarBuilder& builder, const JsonSchemaOptions& options) {
    return JsonParts(builder, options).value();
}

}  // namespace hone::text
