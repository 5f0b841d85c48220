/* Functions of Flink's that are no rows of the table yet, and what they wait for: so that a query says more than "no match". */
#include "engine/functions/functions.h"

#include <strings.h>

static const struct {
    const char *name;
    const char *feature;
} absent[] = {
    {"BITMAP_AND", "the type BITMAP"},
    {"BITMAP_ANDNOT", "the type BITMAP"},
    {"BITMAP_AND_AGG", "the type BITMAP"},
    {"BITMAP_AND_CARDINALITY_AGG", "the type BITMAP"},
    {"BITMAP_BUILD", "the type BITMAP"},
    {"BITMAP_BUILD_AGG", "the type BITMAP"},
    {"BITMAP_BUILD_CARDINALITY_AGG", "the type BITMAP"},
    {"BITMAP_CARDINALITY", "the type BITMAP"},
    {"BITMAP_FROM_BYTES", "the type BITMAP"},
    {"BITMAP_OR", "the type BITMAP"},
    {"BITMAP_OR_AGG", "the type BITMAP"},
    {"BITMAP_OR_CARDINALITY_AGG", "the type BITMAP"},
    {"BITMAP_TO_ARRAY", "the type BITMAP"},
    {"BITMAP_TO_BYTES", "the type BITMAP"},
    {"BITMAP_TO_STRING", "the type BITMAP"},
    {"BITMAP_XOR", "the type BITMAP"},
    {"BITMAP_XOR_AGG", "the type BITMAP"},
    {"BITMAP_XOR_CARDINALITY_AGG", "the type BITMAP"},
    {"CURRENT_DATABASE", "what the session is set to, in expressions"},
    {"JSON_ARRAYAGG", "aggregates that make JSON"},
    {"JSON_OBJECTAGG", "aggregates that make JSON"},
    {"OBJECT_OF", "structured types"},
    {"OBJECT_UPDATE", "structured types"},
    {"PARSE_JSON", "the type VARIANT"},
    {"PERCENTILE", "aggregates over all values in order"},
    {"SOURCE_WATERMARK", "watermarks of sources outside of WATERMARK clauses"},
    {"TRY_PARSE_JSON", "the type VARIANT"},
};

const char *functions_absent(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(absent); i++) {
        if (name.len == strlen(absent[i].name) &&
            strncasecmp(name.data, absent[i].name, name.len) == 0) {
            return absent[i].feature;
        }
    }
    return NULL;
}
