/* See unparse.h.  Levels of operators are those of the parser (sql/parser/expr.c): an operand of a lower level, or of the same
 * level on the right, gets parentheses.  The depth of a tree is bounded by the parser. */
#include "sql/catalog/unparse.h"
#include <ctype.h>

enum level {
    LEVEL_OR = 1,
    LEVEL_AND,
    LEVEL_NOT,
    LEVEL_COMPARE,
    LEVEL_BETWEEN, /* and IN, LIKE, IS */
    LEVEL_ADD,
    LEVEL_MULTIPLY,
    LEVEL_SIGN,
    LEVEL_PRIMARY,
};

/* ---- words --------------------------------------------------------------------------------------------- */

static void quote(struct slice text, char mark, struct str *out)
{
    str_append_char(out, mark);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == mark) {
            str_append_char(out, mark);
        }
        str_append_char(out, text.data[i]);
    }
    str_append_char(out, mark);
}

void sql_unparse_string(const char *text, struct str *out)
{
    quote(slice_cstr(text), '\'', out);
}

static void print_path(const struct sql_path *path, struct str *out)
{
    for (uint32_t i = 0; i < path->n; i++) {
        if (i > 0) {
            str_append_char(out, '.');
        }
        quote(path->parts[i].text, '`', out);
    }
}

static void print_upper(struct slice text, struct str *out)
{
    for (size_t i = 0; i < text.len; i++) {
        str_append_char(out, (char)toupper((unsigned char)text.data[i]));
    }
}

static void print_range(const struct sql_interval_range *r, struct str *out)
{
    str_append_cstr(out, sql_unit_name(r->from));
    if (r->leading_digits >= 0 && r->second_digits >= 0 && r->to == SQL_UNIT_NONE) {
        str_printf(out, "(%d, %d)", r->leading_digits, r->second_digits);
    } else if (r->leading_digits >= 0) {
        str_printf(out, "(%d)", r->leading_digits);
    }
    if (r->to != SQL_UNIT_NONE) {
        str_printf(out, " TO %s", sql_unit_name(r->to));
        if (r->second_digits >= 0) {
            str_printf(out, "(%d)", r->second_digits);
        }
    }
}

/* ---- operands ------------------------------------------------------------------------------------------- */

static void print(const struct sql_unparse *u, const struct sql_expr *e, struct str *out);

static void print_written(const struct sql_unparse *u, const struct sql_expr *e, struct str *out)
{
    str_append(out, u->text.data + e->span.start, e->span.end - e->span.start);
}

static enum level level_of_binary(enum sql_operator op)
{
    switch (op) {
    case SQL_OP_PLUS:
    case SQL_OP_MINUS:
    case SQL_OP_CONCAT:
        return LEVEL_ADD;
    case SQL_OP_TIMES:
    case SQL_OP_DIVIDE:
    case SQL_OP_MODULO:
        return LEVEL_MULTIPLY;
    case SQL_OP_LIKE:
    case SQL_OP_ILIKE:
    case SQL_OP_SIMILAR:
    case SQL_OP_RLIKE:
    case SQL_OP_IS_DISTINCT:
        return LEVEL_BETWEEN;
    default:
        return LEVEL_COMPARE;
    }
}

static enum level level_of(const struct sql_expr *e)
{
    switch (e->kind) {
    case SQL_EXPR_LOGIC:
        return e->op == SQL_OP_OR ? LEVEL_OR : LEVEL_AND;
    case SQL_EXPR_UNARY:
        return e->op == SQL_OP_NOT ? LEVEL_NOT : LEVEL_SIGN;
    case SQL_EXPR_BINARY:
        return level_of_binary(e->op);
    case SQL_EXPR_QUANTIFIED:
        return LEVEL_COMPARE;
    case SQL_EXPR_IS:
    case SQL_EXPR_BETWEEN:
    case SQL_EXPR_IN:
        return LEVEL_BETWEEN;
    default:
        return LEVEL_PRIMARY;
    }
}

/* An operand that needs at least this level to stand without parentheses. */
static void print_operand(const struct sql_unparse *u, const struct sql_expr *e, enum level least,
                          struct str *out)
{
    bool in_parens = level_of(e) < least;
    if (in_parens) {
        str_append_char(out, '(');
    }
    print(u, e, out);
    if (in_parens) {
        str_append_char(out, ')');
    }
}

static void print_list(const struct sql_unparse *u, struct sql_expr *const *items, uint32_t n,
                       struct str *out)
{
    for (uint32_t i = 0; i < n; i++) {
        str_append_cstr(out, i > 0 ? ", " : "");
        print(u, items[i], out);
    }
}

/* ---- kinds ---------------------------------------------------------------------------------------------- */

static void print_literal(const struct sql_literal *l, struct str *out)
{
    static const char *const words[] = {
        [SQL_LITERAL_NULL] = "NULL",
        [SQL_LITERAL_TRUE] = "TRUE",
        [SQL_LITERAL_FALSE] = "FALSE",
        [SQL_LITERAL_UNKNOWN] = "UNKNOWN",
        [SQL_LITERAL_EXACT] = "",
        [SQL_LITERAL_APPROXIMATE] = "",
        [SQL_LITERAL_STRING] = "",
        [SQL_LITERAL_BINARY] = "X",
        [SQL_LITERAL_DATE] = "DATE ",
        [SQL_LITERAL_TIME] = "TIME ",
        [SQL_LITERAL_TIMESTAMP] = "TIMESTAMP ",
        [SQL_LITERAL_TIMESTAMP_LTZ] = "TIMESTAMP WITH LOCAL TIME ZONE ",
        [SQL_LITERAL_INTERVAL] = "INTERVAL ",
    };
    str_append_cstr(out, words[l->kind]);
    switch (l->kind) {
    case SQL_LITERAL_NULL:
    case SQL_LITERAL_TRUE:
    case SQL_LITERAL_FALSE:
    case SQL_LITERAL_UNKNOWN:
        break;
    case SQL_LITERAL_EXACT:
    case SQL_LITERAL_APPROXIMATE:
        str_append_slice(out, l->text);
        break;
    case SQL_LITERAL_BINARY:
        str_append_char(out, '\'');
        str_append_hex(out, l->text.data, l->text.len);
        str_append_char(out, '\'');
        break;
    default:
        quote(l->text, '\'', out);
        break;
    }
    if (l->kind == SQL_LITERAL_INTERVAL) {
        str_append_char(out, ' ');
        print_range(&l->interval, out);
    }
}

static void print_unary(const struct sql_unparse *u, const struct sql_expr *e, struct str *out)
{
    bool is_not = e->op == SQL_OP_NOT;
    str_append_cstr(out, is_not ? "NOT " : sql_operator_name(e->op));
    /* Not `--`, which begins a comment. */
    print_operand(u, e->operands[0], is_not ? LEVEL_NOT : LEVEL_PRIMARY, out);
}

static void print_binary(const struct sql_unparse *u, const struct sql_expr *e, struct str *out)
{
    enum level level = level_of_binary(e->op);
    bool takes_same = level == LEVEL_ADD || level == LEVEL_MULTIPLY;
    print_operand(u, e->operands[0], takes_same ? level : level + 1, out);
    if (e->op == SQL_OP_IS_DISTINCT) {
        str_append_cstr(out, e->is_negated ? " IS NOT DISTINCT FROM " : " IS DISTINCT FROM ");
    } else {
        str_printf(out, " %s%s ", e->is_negated ? "NOT " : "", sql_operator_name(e->op));
    }
    print_operand(u, e->operands[1], level + 1, out);
    if (e->n_operands > 2) {
        str_append_cstr(out, " ESCAPE ");
        print_operand(u, e->operands[2], LEVEL_PRIMARY, out);
    }
}

static void print_logic(const struct sql_unparse *u, const struct sql_expr *e, struct str *out)
{
    for (uint32_t i = 0; i < e->n_operands; i++) {
        if (i > 0) {
            str_printf(out, " %s ", sql_operator_name(e->op));
        }
        print_operand(u, e->operands[i], level_of(e) + 1, out);
    }
}

static void print_is(const struct sql_unparse *u, const struct sql_expr *e, struct str *out)
{
    static const char *const words[] = {
        [SQL_IS_NULL] = "NULL",
        [SQL_IS_TRUE] = "TRUE",
        [SQL_IS_FALSE] = "FALSE",
        [SQL_IS_UNKNOWN] = "UNKNOWN",
        [SQL_IS_JSON] = "JSON VALUE",
        [SQL_IS_JSON_OBJECT] = "JSON OBJECT",
        [SQL_IS_JSON_ARRAY] = "JSON ARRAY",
        [SQL_IS_JSON_SCALAR] = "JSON SCALAR",
        [SQL_IS_A_SET] = "A SET",
        [SQL_IS_EMPTY] = "EMPTY",
    };
    print_operand(u, e->operands[0], LEVEL_ADD, out);
    str_printf(out, " IS %s%s", e->is_negated ? "NOT " : "", words[e->is]);
}

static void print_between(const struct sql_unparse *u, const struct sql_expr *e, struct str *out)
{
    print_operand(u, e->operands[0], LEVEL_ADD, out);
    str_printf(out, " %sBETWEEN %s ", e->is_negated ? "NOT " : "",
               e->is_symmetric ? "SYMMETRIC" : "ASYMMETRIC");
    print_operand(u, e->operands[1], LEVEL_ADD, out);
    str_append_cstr(out, " AND ");
    print_operand(u, e->operands[2], LEVEL_ADD, out);
}

static void print_in(const struct sql_unparse *u, const struct sql_expr *e, struct str *out)
{
    print_operand(u, e->operands[0], LEVEL_ADD, out);
    str_append_cstr(out, e->is_negated ? " NOT IN (" : " IN (");
    print_list(u, e->operands + 1, e->n_operands - 1, out);
    str_append_char(out, ')');
}

static void print_case(const struct sql_unparse *u, const struct sql_expr *e, struct str *out)
{
    str_append_cstr(out, "CASE ");
    if (e->case_value != NULL) {
        print(u, e->case_value, out);
        str_append_char(out, ' ');
    }
    for (uint32_t i = 0; i + 1 < e->n_operands; i += 2) {
        str_append_cstr(out, "WHEN ");
        print(u, e->operands[i], out);
        str_append_cstr(out, " THEN ");
        print(u, e->operands[i + 1], out);
        str_append_char(out, ' ');
    }
    if (e->n_operands % 2 == 1) {
        str_append_cstr(out, "ELSE ");
        print(u, e->operands[e->n_operands - 1], out);
        str_append_char(out, ' ');
    }
    str_append_cstr(out, "END");
}

static void print_cast(const struct sql_unparse *u, const struct sql_expr *e, struct str *out)
{
    str_append_cstr(out, e->is_try ? "TRY_CAST(" : "CAST(");
    print(u, e->operands[0], out);
    str_append_cstr(out, " AS ");
    str_append(out, u->text.data + e->type->span.start, e->type->span.end - e->type->span.start);
    str_append_char(out, ')');
}

static void print_constructor(const struct sql_unparse *u, const char *open, char close,
                              const struct sql_expr *e, struct str *out)
{
    str_append_cstr(out, open);
    print_list(u, e->operands, e->n_operands, out);
    str_append_char(out, close);
}

/* ---- calls ------------------------------------------------------------------------------------------------ */

static void print_function_name(const struct sql_unparse *u, const struct sql_path *name,
                                struct str *out)
{
    struct slice word = name->parts[0].text;
    bool is_builtin = name->n == 1 && !name->parts[0].is_quoted &&
                      (sql_keyword_find(word) != SQL_KEYWORD_NONE ||
                       (u->is_builtin != NULL && u->is_builtin(u->arg, word)));
    if (is_builtin) {
        print_upper(word, out);
    } else {
        print_path(name, out);
    }
}

/* Arguments by position, none of them a word, and nothing behind the parentheses: f(a, b). */
static bool is_plain_call(const struct sql_call *call)
{
    bool is_plain = call->n_within == 0 && call->filter == NULL && call->over == NULL &&
                    (call->flags & ~(uint32_t)SQL_CALL_NO_PARENS) == 0;
    for (uint32_t i = 0; is_plain && i < call->n_args; i++) {
        enum sql_expr_kind kind = call->args[i].expr->kind;
        is_plain = call->args[i].name.text.data == NULL && kind != SQL_EXPR_SYMBOL &&
                   kind != SQL_EXPR_DEFAULT && kind != SQL_EXPR_STAR && kind != SQL_EXPR_TABLE &&
                   kind != SQL_EXPR_DESCRIPTOR && kind != SQL_EXPR_MODEL;
    }
    return is_plain;
}

/* Calls with words between their arguments whose tree has them in order. */
static bool print_worded(const struct sql_unparse *u, const struct sql_call *call, struct str *out)
{
    static const struct {
        const char *name;
        const char *words[3]; /* between the arguments */
    } rows[] = {
        {"EXTRACT", {" FROM "}},
        {"SUBSTRING", {" FROM ", " FOR "}},
        {"OVERLAY", {" PLACING ", " FROM ", " FOR "}},
        {"POSITION", {" IN "}},
    };
    STR_AUTO name = STR_INIT;
    print_upper(call->name.parts[0].text, &name);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(str_cstr(&name), rows[i].name) != 0 || call->n_args == 0) {
            continue;
        }
        str_printf(out, "%s(", rows[i].name);
        for (uint32_t k = 0; k < call->n_args; k++) {
            str_append_cstr(out, k == 0                           ? ""
                                 : k <= 3 && rows[i].words[k - 1] ? rows[i].words[k - 1]
                                                                  : ", ");
            print_operand(u, call->args[k].expr, LEVEL_ADD, out);
        }
        str_append_char(out, ')');
        return true;
    }
    return false;
}

static bool is_unit_symbol(const struct sql_expr *e)
{
    return e->kind == SQL_EXPR_SYMBOL && e->symbol == SQL_SYMBOL_UNIT;
}

static void print_call(const struct sql_unparse *u, const struct sql_expr *e, struct str *out)
{
    const struct sql_call *call = e->call;
    bool is_extract = call->n_args == 2 && is_unit_symbol(call->args[0].expr) &&
                      call->args[1].expr->kind != SQL_EXPR_SYMBOL;
    if (!is_plain_call(call) && !(is_extract && call->over == NULL)) {
        print_written(u, e, out);
        return;
    }
    if (call->name.n == 1 && !call->name.parts[0].is_quoted && print_worded(u, call, out)) {
        return;
    }
    if (is_extract) {
        print_written(u, e, out);
        return;
    }
    print_function_name(u, &call->name, out);
    if ((call->flags & SQL_CALL_NO_PARENS) != 0) {
        return;
    }
    str_append_char(out, '(');
    for (uint32_t i = 0; i < call->n_args; i++) {
        str_append_cstr(out, i > 0 ? ", " : "");
        print(u, call->args[i].expr, out);
    }
    str_append_char(out, ')');
}

static void print(const struct sql_unparse *u, const struct sql_expr *e, struct str *out)
{
    if (e->query != NULL) {
        print_written(u, e, out);
        return;
    }
    switch (e->kind) {
    case SQL_EXPR_LITERAL:
        print_literal(&e->literal, out);
        break;
    case SQL_EXPR_COLUMN:
        print_path(&e->column, out);
        break;
    case SQL_EXPR_UNARY:
        print_unary(u, e, out);
        break;
    case SQL_EXPR_BINARY:
        print_binary(u, e, out);
        break;
    case SQL_EXPR_LOGIC:
        print_logic(u, e, out);
        break;
    case SQL_EXPR_IS:
        print_is(u, e, out);
        break;
    case SQL_EXPR_BETWEEN:
        print_between(u, e, out);
        break;
    case SQL_EXPR_IN:
        print_in(u, e, out);
        break;
    case SQL_EXPR_CASE:
        print_case(u, e, out);
        break;
    case SQL_EXPR_CAST:
        print_cast(u, e, out);
        break;
    case SQL_EXPR_CALL:
        print_call(u, e, out);
        break;
    case SQL_EXPR_FIELD:
        print_operand(u, e->operands[0], LEVEL_PRIMARY, out);
        str_append_char(out, '.');
        quote(e->field.text, '`', out);
        break;
    case SQL_EXPR_ITEM:
        print_operand(u, e->operands[0], LEVEL_PRIMARY, out);
        str_append_char(out, '[');
        print(u, e->operands[1], out);
        str_append_char(out, ']');
        break;
    case SQL_EXPR_ROW:
        print_constructor(u, "ROW(", ')', e, out);
        break;
    case SQL_EXPR_ARRAY:
        print_constructor(u, "ARRAY[", ']', e, out);
        break;
    case SQL_EXPR_MAP:
        print_constructor(u, "MAP[", ']', e, out);
        break;
    case SQL_EXPR_SYMBOL:
        str_append_cstr(out, e->symbol == SQL_SYMBOL_UNIT ? sql_unit_name(e->unit)
                                                          : sql_symbol_name(e->symbol));
        break;
    default:
        print_written(u, e, out);
        break;
    }
}

void sql_unparse_expr(const struct sql_unparse *u, const struct sql_expr *e, struct str *out)
{
    print(u, e, out);
}

/* ---- types ---------------------------------------------------------------------------------------------- */

void sql_unparse_type(const struct data_type *t, struct str *out)
{
    switch (t->id) {
    case TYPE_VARCHAR:
    case TYPE_VARBINARY:
        str_printf(out, "%s(%d)", t->id == TYPE_VARCHAR ? "VARCHAR" : "VARBINARY", t->length);
        break;
    case TYPE_TIMESTAMP_LTZ:
        str_printf(out, "TIMESTAMP(%d) WITH LOCAL TIME ZONE", t->precision);
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_MULTISET:
    case TYPE_ROW:
        str_printf(out, "%s<", type_id_name(t->id));
        for (uint32_t i = 0; i < t->n_children; i++) {
            str_append_cstr(out, i > 0 ? ", " : "");
            if (t->names != NULL) {
                quote(slice_cstr(t->names[i]), '`', out);
                str_append_char(out, ' ');
            }
            sql_unparse_type(t->children[i], out);
        }
        str_append_char(out, '>');
        break;
    default: {
        struct data_type *nullable = type_with_nullable(t, true);
        type_print(nullable, out);
        type_unref(nullable);
        break;
    }
    }
    if (!t->nullable) {
        str_append_cstr(out, " NOT NULL");
    }
}

/* ---- columns ---------------------------------------------------------------------------------------------- */

struct finder {
    const struct sql_table_column *columns;
    uint32_t n_columns;
    struct arena *arena;
    struct sql_name_list *ret;
};

static void find_columns(const struct finder *f, const struct sql_expr *e);

static void find_column(const struct finder *f, struct slice name)
{
    for (uint32_t i = 0; i < f->n_columns; i++) {
        if (slice_eq_cstr(name, f->columns[i].name) &&
            !sql_name_list_has(f->ret, f->columns[i].name)) {
            sql_name_list_add(f->ret, f->arena, name);
        }
    }
}

static void find_in_window(const struct finder *f, const struct sql_window *w)
{
    for (uint32_t i = 0; i < w->n_partition; i++) {
        find_columns(f, w->partition[i]);
    }
    for (uint32_t i = 0; i < w->n_order; i++) {
        find_columns(f, w->order[i].expr);
    }
}

static void find_in_call(const struct finder *f, const struct sql_call *call)
{
    for (uint32_t i = 0; i < call->n_args; i++) {
        find_columns(f, call->args[i].expr);
    }
    for (uint32_t i = 0; i < call->n_within; i++) {
        find_columns(f, call->within[i].expr);
    }
    if (call->filter != NULL) {
        find_columns(f, call->filter);
    }
    if (call->over != NULL) {
        find_in_window(f, call->over);
    }
}

static void find_columns(const struct finder *f, const struct sql_expr *e)
{
    if (e->kind == SQL_EXPR_COLUMN && e->column.n > 0) {
        find_column(f, e->column.parts[0].text);
    } else if (e->kind == SQL_EXPR_CALL) {
        find_in_call(f, e->call);
    }
    if (e->case_value != NULL) {
        find_columns(f, e->case_value);
    }
    for (uint32_t i = 0; i < e->n_operands; i++) {
        find_columns(f, e->operands[i]);
    }
}

void sql_expr_columns(const struct sql_expr *e, const struct sql_table_column *columns,
                      uint32_t n_columns, struct arena *arena, struct sql_name_list *ret)
{
    const struct finder f = {columns, n_columns, arena, ret};
    find_columns(&f, e);
}
