/* Text of types and schemas: what parses must print to text that parses to an equal type. */
#include "engine/data/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = ERROR_INIT;
    struct data_type *t = NULL;
    struct slice text = {(const char *)data, size};
    if (type_parse(text, &t, &err) == 0) {
        STR_AUTO printed = STR_INIT;
        struct data_type *again = NULL;
        type_print(t, &printed);
        int rc = type_parse(str_slice(&printed), &again, &err);
        ASSERT(rc == 0 && type_equals(t, again));
        type_unref(again);
        type_unref(t);
    }
    struct schema *s = NULL;
    if (schema_parse(text, &s, &err) == 0) {
        int rc = schema_validate(s, &err);
        ASSERT(rc == 0);
        schema_unref(s);
    }
    return 0;
}
