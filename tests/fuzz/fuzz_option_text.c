/* Lists, maps and CSV records: what parses formats to a text that parses to the same items. */
#include "common/text/csv.h"
#include "common/text/option_text.h"

static void check_list(struct slice text)
{
    struct text_list list = TEXT_LIST_INIT;
    if (option_text_parse_list(text, &list, NULL) == 0) {
        STR_AUTO out = STR_INIT;
        option_text_format_list(&list, &out);
        struct text_list back = TEXT_LIST_INIT;
        int rc = option_text_parse_list(str_slice(&out), &back, NULL);
        ASSERT(rc == 0 && back.n == list.n);
        for (size_t i = 0; i < list.n; i++) {
            ASSERT(strcmp(list.items[i], back.items[i]) == 0);
        }
        text_list_fini(&back);
    }
    text_list_fini(&list);
}

static void check_map(struct slice text)
{
    struct text_map map = TEXT_MAP_INIT;
    if (option_text_parse_map(text, &map, NULL) == 0) {
        STR_AUTO out = STR_INIT;
        option_text_format_map(&map, &out);
        struct text_map back = TEXT_MAP_INIT;
        int rc = option_text_parse_map(str_slice(&out), &back, NULL);
        ASSERT(rc == 0 && back.keys.n == map.keys.n);
        text_map_fini(&back);
    }
    text_map_fini(&map);
}

static void check_csv(struct slice text)
{
    struct slice record = slice_make(text.data, csv_record_end(text, NULL));
    struct arena arena;
    arena_init(&arena, 0);
    struct vec fields = VEC_INIT(struct csv_field);
    if (csv_split(record, NULL, &arena, &fields, NULL) == 0) {
        STR_AUTO out = STR_INIT;
        for (size_t i = 0; i < fields.len; i++) {
            if (i > 0) {
                str_append_char(&out, ',');
            }
            csv_append_field(&out, VEC_AT(&fields, struct csv_field, i)->text, NULL);
        }
        struct vec back = VEC_INIT(struct csv_field);
        int rc = csv_split(str_slice(&out), NULL, &arena, &back, NULL);
        ASSERT(rc == 0 && back.len == fields.len);
        for (size_t i = 0; i < fields.len; i++) {
            ASSERT(slice_eq(VEC_AT(&fields, struct csv_field, i)->text,
                            VEC_AT(&back, struct csv_field, i)->text));
        }
        vec_fini(&back);
    }
    vec_fini(&fields);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make((const char *)data, size);
    check_list(text);
    check_map(text);
    check_csv(text);
    return 0;
}
