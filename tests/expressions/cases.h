/* Cases of random expressions, and the forms in which a program may compute them.
 *
 * A case, by lines:
 *
 *     case <id> <seed>
 *     column <name> <TYPE>          any number
 *     row <cell>\t<cell>...         any number; without columns: row
 *     expr <SQL>                    one or more
 *     end
 *
 * Cells: ~ is NULL; 0 and 1; integers, days, milliseconds, months and unscaled decimals as digits; bits of FLOAT and
 * DOUBLE as x and hexadecimal digits; TIMESTAMP as milliseconds:nanoseconds; bytes as = and hexadecimal digits.
 * Answers have the same cells, [a;b] for arrays, {k:v;l:w} for maps, (a;b) for rows, ! and text for an error. */
#ifndef FLINC_TESTS_EXPRESSIONS_CASES_H
#define FLINC_TESTS_EXPRESSIONS_CASES_H

#include "common/base/str.h"
#include "engine/expr/expr.h"

#include <stdio.h>

enum { CASE_COLUMNS_MAX = 32, CASE_ROWS_MAX = 64, CASE_EXPRS_MAX = 4, DIFFERENCES_MAX = 8 };

struct expression_case {
    char *id;
    uint64_t seed;
    uint32_t n_columns, n_rows, n_exprs;
    char *names[CASE_COLUMNS_MAX], *types[CASE_COLUMNS_MAX];
    char *cells[CASE_ROWS_MAX][CASE_COLUMNS_MAX];
    char *exprs[CASE_EXPRS_MAX];
};

/* False at the end of the input.  A case that cannot be read ends the process. */
bool case_read(FILE *in, struct expression_case *ret);
void case_fini(struct expression_case *c);

struct cased_expr {
    const struct expr *expr;          /* NULL: refused */
    struct str refused;               /* why */
    struct str values[CASE_ROWS_MAX]; /* of each row alone */
    bool is_error[CASE_ROWS_MAX];
};

struct forms {
    const struct expression_case *c; /* Borrows */
    struct expr_pool *pool;
    struct buffer_pool *buffers;
    struct time_zone *zone;
    struct arena arena;
    struct schema *input;
    struct batch *rows; /* the rows of the case */
    struct batch *wide; /* the same over and over, more than 64 of them */
    uint64_t random;
    struct cased_expr exprs[CASE_EXPRS_MAX];
    struct str differences[DIFFERENCES_MAX];
    uint32_t n_differences;
};

/* Resolves the expressions and computes each row alone. */
void forms_init(struct forms *f, const struct expression_case *c);
/* All other forms; what differs is in `differences`. */
void forms_compare(struct forms *f);
void forms_fini(struct forms *f);

struct batch;
struct column;
struct builder;
/* The rows `numbers[0..n)` of the case as a batch (n <= BATCH_ROWS_MAX). */
struct batch *case_batch(const struct expression_case *c, struct buffer_pool *buffers,
                         const struct schema *schema, const uint32_t *numbers, uint32_t n);
void cell_print(const struct column *column, uint32_t row, struct str *out);

#endif
