/* Cases read, rows made of them, cells printed. */
#include "cases.h"

#include "common/base/mem.h"
#include "engine/data/batch.h"
#include "engine/data/builder.h"

#include <inttypes.h>
#include <stdlib.h>

static void die(const char *what, const char *text)
{
    (void)fprintf(stderr, "expression_runner: %s: %.200s\n", what, text);
    exit(2);
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static void read_column(struct expression_case *c, char *rest)
{
    char *space = strchr(rest, ' ');
    if (space == NULL || c->n_columns == CASE_COLUMNS_MAX) {
        die("column", rest);
    }
    *space = '\0';
    c->names[c->n_columns] = mem_strdup(rest);
    c->types[c->n_columns++] = mem_strdup(space + 1);
}

static void read_row(struct expression_case *c, char *rest)
{
    char *save = NULL, *cell = strtok_r(rest, "\t", &save);
    if (c->n_rows == CASE_ROWS_MAX) {
        die("too many rows", rest);
    }
    for (uint32_t i = 0; i < c->n_columns; i++) {
        if (cell == NULL) {
            die("a row with too few cells", c->id);
        }
        c->cells[c->n_rows][i] = mem_strdup(cell);
        cell = strtok_r(NULL, "\t", &save);
    }
    c->n_rows++;
}

static void read_line(struct expression_case *c, char *line)
{
    char *rest = strchr(line, ' ');
    rest = rest != NULL ? rest + 1 : line + strlen(line);
    if (strncmp(line, "case ", 5) == 0) {
        char *seed = strchr(rest, ' ');
        if (seed == NULL) {
            die("case", line);
        }
        c->id = mem_strndup(rest, (size_t)(seed - rest));
        c->seed = strtoull(seed, NULL, 10);
    } else if (strncmp(line, "column ", 7) == 0) {
        read_column(c, rest);
    } else if (strncmp(line, "row", 3) == 0) {
        read_row(c, rest);
    } else if (strncmp(line, "expr ", 5) == 0 && c->n_exprs < CASE_EXPRS_MAX) {
        c->exprs[c->n_exprs++] = mem_strdup(rest);
    } else {
        die("what is this", line);
    }
}

bool case_read(FILE *in, struct expression_case *ret)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    bool is_complete = false;
    memset(ret, 0, sizeof(*ret));
    while (!is_complete && (len = getline(&line, &cap, in)) > 0) {
        line[len - 1] = '\0';
        is_complete = strcmp(line, "end") == 0;
        if (!is_complete) {
            read_line(ret, line);
        }
    }
    free(line);
    if (!is_complete) {
        case_fini(ret);
    }
    return is_complete;
}

void case_fini(struct expression_case *c)
{
    mem_free(c->id);
    for (uint32_t i = 0; i < c->n_columns; i++) {
        mem_free(c->names[i]);
        mem_free(c->types[i]);
        for (uint32_t row = 0; row < c->n_rows; row++) {
            mem_free(c->cells[row][i]);
        }
    }
    for (uint32_t i = 0; i < c->n_exprs; i++) {
        mem_free(c->exprs[i]);
    }
}

/* ---- cells ------------------------------------------------------------------------------------------ */

static __int128 wide_of(const char *text)
{
    const bool is_negative = *text == '-';
    unsigned __int128 v = 0;
    for (const char *p = text + is_negative; *p != '\0'; p++) {
        v = v * 10 + (unsigned)(*p - '0');
    }
    return (__int128)(is_negative ? -v : v);
}

static double real_of(const char *text, bool is_float)
{
    const uint64_t bits = strtoull(text + 1, NULL, 16);
    const uint32_t narrow = (uint32_t)bits;
    float f;
    double d;
    memcpy(&f, &narrow, sizeof(f));
    memcpy(&d, &bits, sizeof(d));
    return is_float ? (double)f : d;
}

static void put_bytes(struct builder *b, uint32_t column, const char *text)
{
    const size_t n = strlen(text + 1) / 2;
    char *bytes = mem_alloc(n + 1);
    for (size_t i = 0; i < n; i++) {
        const char two[3] = {text[1 + 2 * i], text[2 + 2 * i], '\0'};
        bytes[i] = (char)strtoul(two, NULL, 16);
    }
    int rc = builder_put_bytes(b, column, bytes, n, NULL);
    ASSERT(rc == 0);
    mem_free(bytes);
}

static void put_cell(struct builder *b, uint32_t column, const struct data_type *type,
                     const char *text)
{
    if (text[0] == '~') {
        builder_put_null(b, column);
        return;
    }
    switch (type->layout) {
    case LAYOUT_BIT:
        builder_put_bool(b, column, text[0] == '1');
        break;
    case LAYOUT_F32:
    case LAYOUT_F64:
        builder_put_f64(b, column, real_of(text, type->layout == LAYOUT_F32));
        break;
    case LAYOUT_I128:
        builder_put_i128(b, column, wide_of(text));
        break;
    case LAYOUT_VIEW:
        put_bytes(b, column, text);
        break;
    default:
        if (type->id == TYPE_TIMESTAMP || type->id == TYPE_TIMESTAMP_LTZ) {
            const struct ts_nano t = {.millis = strtoll(text, NULL, 10),
                                      .nanos = (int32_t)strtol(strchr(text, ':') + 1, NULL, 10)};
            if (type->precision <= 3) {
                builder_put_i64(b, column, t.millis);
            } else if (type->precision <= 6) {
                builder_put_i64(b, column, t.millis * 1000 + t.nanos / 1000);
            } else {
                builder_put_ts_nano(b, column, t);
            }
        } else if (type->layout == LAYOUT_I64 || type->layout == LAYOUT_I32 ||
                   type->layout == LAYOUT_I16 || type->layout == LAYOUT_I8) {
            builder_put_i64(b, column, strtoll(text, NULL, 10));
        } else {
            die("no cells of this type", text);
        }
        break;
    }
}

struct batch *case_batch(const struct expression_case *c, struct buffer_pool *buffers,
                         const struct schema *schema, const uint32_t *numbers, uint32_t n)
{
    struct builder b;
    builder_init(&b, buffers, schema, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        builder_begin(&b);
        for (uint32_t k = 0; k < c->n_columns; k++) {
            put_cell(&b, k, schema->fields[k].type, c->cells[numbers[i]][k]);
        }
        builder_put_bool(&b, c->n_columns, true); /* so that there is a column */
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    builder_fini(&b);
    return batch;
}

/* ---- printing --------------------------------------------------------------------------------------- */

static void print_wide(__int128 v, struct str *out)
{
    char text[48];
    size_t at = sizeof(text);
    unsigned __int128 u = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
    do {
        text[--at] = (char)('0' + (int)(u % 10));
        u /= 10;
    } while (u != 0);
    if (v < 0) {
        text[--at] = '-';
    }
    str_append_slice(out, slice_make(text + at, sizeof(text) - at));
}

static void print_list(const struct column *c, uint32_t row, struct str *out)
{
    const bool is_map = c->type->layout == LAYOUT_MAP;
    const int32_t *offsets = COLUMN_VALUES(c, const int32_t);
    str_append_char(out, is_map ? '{' : '[');
    for (int32_t i = offsets[row]; i < offsets[row + 1]; i++) {
        str_append_cstr(out, i > offsets[row] ? ";" : "");
        cell_print(&c->children[0], (uint32_t)i, out);
        if (is_map) {
            str_append_char(out, ':');
            cell_print(&c->children[1], (uint32_t)i, out);
        }
    }
    str_append_char(out, is_map ? '}' : ']');
}

static void print_timestamp(const struct column *c, uint32_t row, struct str *out)
{
    struct ts_nano t = {0};
    if (c->type->precision <= 3) {
        t.millis = column_get_int(c, row);
    } else if (c->type->precision <= 6) {
        const int64_t micros = column_get_int(c, row);
        t.millis = micros / 1000 - (micros % 1000 < 0);
        t.nanos = (int32_t)(micros - t.millis * 1000) * 1000;
    } else {
        t = COLUMN_VALUES(c, const struct ts_nano)[row];
    }
    str_printf(out, "%" PRId64 ":%" PRId32, t.millis, t.nanos);
}

void cell_print(const struct column *c, uint32_t row, struct str *out)
{
    if (column_is_null(c, row)) {
        str_append_char(out, '~');
        return;
    }
    if (c->type->id == TYPE_TIMESTAMP || c->type->id == TYPE_TIMESTAMP_LTZ) {
        print_timestamp(c, row, out);
        return;
    }
    switch (c->type->layout) {
    case LAYOUT_BIT:
        str_append_char(out, column_get_bool(c, row) ? '1' : '0');
        break;
    case LAYOUT_F32:
        str_printf(out, "x%08" PRIx32, COLUMN_VALUES(c, const uint32_t)[row]);
        break;
    case LAYOUT_F64:
        str_printf(out, "x%016" PRIx64, COLUMN_VALUES(c, const uint64_t)[row]);
        break;
    case LAYOUT_I128:
        print_wide(COLUMN_VALUES(c, const __int128)[row], out);
        break;
    case LAYOUT_VIEW: {
        const struct slice bytes = column_get_bytes(c, row);
        str_append_char(out, '=');
        for (size_t i = 0; i < bytes.len; i++) {
            str_printf(out, "%02x", (unsigned char)bytes.data[i]);
        }
        break;
    }
    case LAYOUT_LIST:
    case LAYOUT_MAP:
        print_list(c, row, out);
        break;
    case LAYOUT_STRUCT:
        str_append_char(out, '(');
        for (uint32_t i = 0; i < c->n_children; i++) {
            str_append_cstr(out, i > 0 ? ";" : "");
            cell_print(&c->children[i], row, out);
        }
        str_append_char(out, ')');
        break;
    case LAYOUT_NULL:
        str_append_char(out, '~');
        break;
    default:
        str_printf(out, "%" PRId64, column_get_int(c, row));
        break;
    }
}
