/* Runs the cases that tests/expressions/main.py makes: an expression over rows, in every form that programs have.
 *
 * Reads cases from standard input, as cases.h says, and answers each with the value or the error of every row, when
 * it alone is selected; then the other forms are compared with that, and what differs is said.  Thread: one. */
#include "cases.h"

#include "engine/functions/functions.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void answer_rows(struct forms *f, const struct expression_case *c)
{
    for (uint32_t i = 0; i < c->n_exprs; i++) {
        struct str type = STR_INIT;
        if (f->exprs[i].refused.len > 0) {
            printf("refused %s\n", str_cstr(&f->exprs[i].refused));
            continue;
        }
        type_print(f->exprs[i].expr->type, &type);
        printf("type %s\n", str_cstr(&type));
        for (uint32_t row = 0; row < c->n_rows; row++) {
            printf("%s\n", str_cstr(&f->exprs[i].values[row]));
        }
        str_fini(&type);
    }
}

int main(void)
{
    struct expression_case c;
    functions_register_builtin();
    while (case_read(stdin, &c)) {
        struct forms f;
        printf("case %s\n", c.id);
        forms_init(&f, &c);
        answer_rows(&f, &c);
        forms_compare(&f);
        for (uint32_t i = 0; i < f.n_differences; i++) {
            printf("differs %s\n", str_cstr(&f.differences[i]));
        }
        printf("end\n");
        forms_fini(&f);
        case_fini(&c);
    }
    return 0;
}
