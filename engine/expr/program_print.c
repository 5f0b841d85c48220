/* Programs as text: one instruction a line, blocks of operands indented. */
#include "engine/expr/program_inside.h"

#include <inttypes.h>

static void print_register(const struct expr_program *p, uint32_t r, struct str *out)
{
    if (p->is_input[r]) {
        str_append_cstr(out, p->input->fields[p->input_column[r]].name);
    } else {
        str_printf(out, "r%" PRIu32, r);
    }
}

static void print_block(const struct expr_program *p, const struct expr_block *block,
                        uint32_t indent, struct str *out)
{
    for (uint32_t i = 0; i < block->n; i++) {
        const struct expr_instruction *in = &block->instructions[i];
        const bool is_field = in->op == EXPR_OP_FIELD;
        str_printf(out, "%*sr%" PRIu32 " = %s(", (int)indent, "", in->out,
                   is_field ? "FIELD" : in->node->function->name);
        for (uint32_t k = 0; k < in->n_args; k++) {
            str_append_cstr(out, k > 0 ? ", " : "");
            print_register(p, in->args[k], out);
        }
        if (is_field) {
            str_printf(out, ", %" PRIu32, in->index);
        }
        str_append_cstr(out, ")\n");
        for (uint32_t k = 0; in->blocks != NULL && k < in->n_args; k++) {
            if (in->blocks[k].n > 0) {
                str_printf(out, "%*swhere operand %" PRIu32 " is wanted:\n", (int)indent + 2, "",
                           k + 1);
                print_block(p, &in->blocks[k], indent + 4, out);
            }
        }
    }
}

void expr_program_print(const struct expr_program *program, struct str *out)
{
    if (program->constants.n > 0) {
        str_append_cstr(out, "once:\n");
        print_block(program, &program->constants, 2, out);
    }
    for (uint32_t i = 0; i < program->n_conditions; i++) {
        str_append_cstr(out, "condition ");
        print_register(program, program->conditions[i].reg, out);
        str_append_cstr(out, ":\n");
        print_block(program, &program->conditions[i].block, 2, out);
    }
    str_append_cstr(out, "outputs");
    for (uint32_t i = 0; i < program->n_outputs; i++) {
        str_append_char(out, ' ');
        print_register(program, program->outputs[i], out);
    }
    str_append_cstr(out, ":\n");
    print_block(program, &program->block, 2, out);
}
