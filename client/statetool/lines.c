/* All state of a snapshot as lines of JSON: keyed rows, items of operator state, sizes of coordinators'
 * states.
 *
 * Thread: main. */
#include "client/statetool/final_rows.h"
#include "client/statetool/json_rows.h"
#include "client/statetool/statetool.h"

#include "common/text/json_writer.h"
#include "engine/data/codec.h"
#include "engine/snapshot/metadata.h"
#include "engine/snapshot/operator_part.h"

struct lines {
    const struct open_snapshot *snapshot;
    const struct state_filter *filter;
    const struct state_lines *to;
    struct buffer_pool *pool; /* Owns */
    const Flinc__OperatorSnapshot *op;
    struct str op_text; /* `{"operator":"...","state":` */
    struct str head, tail;
    struct json_columns key, value;
    const struct segment_state *shown; /* that key and value are of */
};

/* ---- keyed state ------------------------------------------------------------------------------ */

static void set_columns(struct lines *l, const struct segment_state *state)
{
    if (l->shown != NULL) {
        json_columns_fini(&l->key);
        json_columns_fini(&l->value);
    }
    l->shown = state;
    if (state != NULL) {
        json_columns_init(&l->key, state->key_schema, 0, state->key_schema->n_fields);
        json_columns_init(&l->value, state->value_schema, 0, state->value_schema->n_fields);
        l->value.first = state->key_schema->n_fields;
    }
}

static void append_text(struct str *out, const char *text)
{
    json_append_quoted(out, slice_cstr(text));
}

static int on_rows(void *arg, const struct final_rows *rows, struct error *err)
{
    struct lines *l = arg;
    const struct segment_block *b = rows->block;
    set_columns(l, rows->state);
    for (uint32_t i = 0; i < b->n_runs; i++) {
        str_clear(&l->head);
        str_append_slice(&l->head, str_slice(&l->op_text));
        append_text(&l->head, rows->state->name);
        str_append_cstr(&l->head, ",\"key_group\":");
        json_append_int(&l->head, b->runs[i].group);
        str_append_cstr(&l->head, ",\"namespace\":");
        json_append_int(&l->head, b->name_space);
        str_append_cstr(&l->head, ",\"key\":");
        size_t fixed = l->head.len;
        uint32_t end = b->runs[i].first_row + b->runs[i].n_rows;
        for (uint32_t row = b->runs[i].first_row; row < end; row++) {
            if (rows->is_old != NULL && rows->is_old[row]) {
                continue;
            }
            l->head.len = fixed;
            json_columns_append(&l->key, b->rows, row, &l->head);
            str_clear(&l->tail);
            str_append_cstr(&l->tail, ",\"value\":");
            json_columns_append(&l->value, b->rows, row, &l->tail);
            str_append_char(&l->tail, '}');
            TRY(l->to->line(l->to->arg, str_slice(&l->head), str_slice(&l->tail), err));
        }
    }
    return 0;
}

static int walk_keyed(struct lines *l, const Flinc__KeyedHandle *h, struct error *err)
{
    int64_t group = l->filter->key_group;
    if (group >= 0 && (group < h->first_group || group > h->last_group)) {
        return 0;
    }
    const struct final_rows_options o = {
        .directory = str_cstr(&l->snapshot->directory),
        .pool = l->pool,
        .state = l->filter->state,
        .first_group = group >= 0 ? (uint32_t)group : h->first_group,
        .last_group = group >= 0 ? (uint32_t)group : h->last_group,
        .rows = on_rows,
        .arg = l,
    };
    int rc = final_rows_walk(h, &o, err);
    set_columns(l, NULL);
    return rc;
}

/* ---- operator state --------------------------------------------------------------------------- */

/* An item is a row of its schema, or else bytes that only its operator reads: shown in hex. */
static void append_item(struct lines *l, const Flinc__OperatorStatePart *p, struct slice item,
                        struct str *out)
{
    struct schema *schema = NULL;
    if (schema_parse(slice_cstr(p->schema), &schema, NULL) == 0) {
        struct builder b;
        builder_init(&b, l->pool, schema, 1);
        if (row_decode((const uint8_t *)item.data, item.len, &b, NULL) == 0) {
            struct batch *rows = builder_finish(&b);
            struct json_columns columns;
            json_columns_init(&columns, schema, 0, schema->n_fields);
            json_columns_append(&columns, rows, 0, out);
            json_columns_fini(&columns);
            batch_unref(rows);
            builder_fini(&b);
            schema_unref(schema);
            return;
        }
        builder_fini(&b);
        schema_unref(schema);
    }
    str_append_cstr(out, "{\"bytes\":\"");
    for (size_t i = 0; i < item.len; i++) {
        str_printf(out, "%02x", (unsigned char)item.data[i]);
    }
    str_append_cstr(out, "\"}");
}

static int walk_part(struct lines *l, const Flinc__OperatorStatePart *p, const uint8_t *data,
                     uint32_t subtask, struct error *err)
{
    static const char *const MODES[] = {"list", "union", "broadcast"};
    bool is_map = p->mode == FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST;
    uint64_t n = operator_part_items(p);
    for (uint64_t i = 0; i < n; i += is_map ? 2 : 1) {
        struct slice item, value;
        TRY(operator_part_item(p, data, i, &item, err));
        str_clear(&l->head);
        str_clear(&l->tail);
        str_append_slice(&l->head, str_slice(&l->op_text));
        append_text(&l->head, p->name);
        str_printf(&l->head, ",\"mode\":\"%s\"", MODES[p->mode]);
        if (is_map && i + 1 < n) {
            str_append_cstr(&l->head, ",\"key\":");
            append_item(l, p, item, &l->head);
            TRY(operator_part_item(p, data, i + 1, &value, err));
            str_append_cstr(&l->tail, ",\"value\":");
            append_item(l, p, value, &l->tail);
        } else {
            str_printf(&l->head, ",\"subtask\":%u,\"item\":%llu", subtask, (unsigned long long)i);
            str_append_cstr(&l->tail, ",\"value\":");
            append_item(l, p, item, &l->tail);
        }
        str_append_char(&l->tail, '}');
        TRY(l->to->line(l->to->arg, str_slice(&l->head), str_slice(&l->tail), err));
    }
    return 0;
}

/* Of broadcast state one copy is shown: the first, which is what a rescaled job gets. */
static int walk_operator_state(struct lines *l, const Flinc__OperatorStateHandle *h,
                               uint32_t subtask, bool is_first, struct error *err)
{
    struct blob_reader *r = NULL;
    TRY(blob_reader_open(h->blob, str_cstr(&l->snapshot->directory), &r, err));
    int rc = 0;
    for (size_t i = 0; i < h->n_parts && rc == 0; i++) {
        const Flinc__OperatorStatePart *p = h->parts[i];
        bool is_map = p->mode == FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST;
        if ((!is_map || is_first) &&
            (l->filter->state == NULL || strcmp(l->filter->state, p->name) == 0)) {
            rc = walk_part(l, p, blob_reader_data(r), subtask, err);
        }
    }
    blob_reader_close(r);
    return rc;
}

/* ---- operators -------------------------------------------------------------------------------- */

static int walk_coordinator(struct lines *l, struct error *err)
{
    if (!l->op->has_coordinator_state || l->filter->state != NULL || l->filter->key_group >= 0) {
        return 0;
    }
    str_clear(&l->head);
    str_clear(&l->tail);
    str_append(&l->head, l->op_text.data, l->op_text.len - strlen(",\"state\":"));
    str_printf(&l->tail, ",\"coordinator_bytes\":%zu}", l->op->coordinator_state.len);
    return l->to->line(l->to->arg, str_slice(&l->head), str_slice(&l->tail), err);
}

static int walk_operator(struct lines *l, struct error *err)
{
    char hex[33];
    bool is_first = true;
    operator_id_hex(l->op, hex);
    str_clear(&l->op_text);
    str_append_cstr(&l->op_text, "{\"operator\":");
    append_text(&l->op_text, l->op->name[0] != '\0' ? l->op->name : hex);
    str_printf(&l->op_text, ",\"operator_id\":\"%s\",\"state\":", hex);
    TRY(walk_coordinator(l, err));
    for (size_t i = 0; i < l->op->n_subtasks; i++) {
        const Flinc__OperatorSubtaskState *s = l->op->subtasks[i]->state;
        for (size_t k = 0; s != NULL && k < s->n_keyed; k++) {
            TRY(walk_keyed(l, s->keyed[k], err));
        }
        for (size_t k = 0; s != NULL && k < s->n_operator_state && l->filter->key_group < 0; k++) {
            TRY(walk_operator_state(l, s->operator_state[k], l->op->subtasks[i]->subtask, is_first,
                                    err));
        }
        is_first = is_first && (s == NULL || s->n_operator_state == 0);
    }
    return 0;
}

int state_lines_walk(const struct open_snapshot *s, const struct state_filter *filter,
                     const struct state_lines *to, struct error *err)
{
    struct lines l = {.snapshot = s, .filter = filter, .to = to};
    l.pool = buffer_pool_new(&(struct buffer_pool_options){.name = "state tool"});
    buffer_pool_adopt(l.pool);
    int rc = 0;
    for (size_t i = 0; i < s->m->n_operators && rc >= 0; i++) {
        l.op = s->m->operators[i];
        if (state_filter_has_operator(filter, l.op)) {
            rc = walk_operator(&l, err);
        }
    }
    str_fini(&l.op_text);
    str_fini(&l.head);
    str_fini(&l.tail);
    buffer_pool_close(l.pool);
    return rc;
}
