/* What the compiler makes and the runner runs.  Inside the room only.
 *
 * Instructions lie in blocks.  A block runs over one set of rows; control instructions run the blocks of their operands over
 * the rows that want them.  A register holds the value of one node for the rows of the block in which it is defined,
 * and of all blocks inside it.  Thread: that of the program. */
#ifndef FLINC_ENGINE_EXPR_PROGRAM_INSIDE_H
#define FLINC_ENGINE_EXPR_PROGRAM_INSIDE_H

#include "engine/expr/heap.h"
#include "engine/expr/program.h"

enum expr_op {
    EXPR_OP_CALL,
    EXPR_OP_FIELD, /* of a struct column */
    EXPR_OP_LOGIC, /* AND, OR: operands[0] was computed, each other one has a block */
    EXPR_OP_CASE,  /* conditions and values have blocks; the first condition's is empty */
    EXPR_OP_COALESCE,
};

struct expr_block;

struct expr_instruction {
    enum expr_op op;
    uint32_t flags; /* enum expr_function_flags, as bound */
    bool is_and;    /* EXPR_OP_LOGIC */
    uint32_t index; /* EXPR_OP_FIELD */
    uint32_t out;   /* register */
    uint32_t n_args;
    uint32_t *args;            /* registers */
    struct expr_block *blocks; /* of control: one per argument, which compute it; may be empty */
    uint32_t n_frees;          /* registers of this block that are not needed behind it */
    uint32_t *frees;
    const struct expr *node; /* Borrows: the pool's */
    expr_kernel kernel;
    void *state;
    void (*free_state)(void *state);
    const struct expr_vector **vectors; /* n_args; scratch of a run */
};

struct expr_block {
    struct expr_instruction *instructions;
    uint32_t n;
};

struct expr_condition {
    struct expr_block block;
    uint32_t reg;
};

struct expr_program {
    struct arena arena;             /* instructions, states */
    struct arena scratch;           /* of one batch */
    struct schema *input, *output;  /* Owns */
    struct expr_pool *pool;         /* Owns: the program's own nodes and types */
    const struct data_type **types; /* Borrows: one per register, the pool's */
    struct expr_vector *registers;
    bool *is_input; /* registers that are columns of the batch */
    uint32_t *input_column;
    uint32_t n_registers;
    struct expr_condition *conditions;
    uint32_t n_conditions;
    struct expr_block constants;       /* run once, at the first batch */
    uint8_t *is_constant;              /* registers that live as long as the program */
    bool has_constants;                /* they are computed */
    struct buffer_pool *constant_pool; /* Owns: their memory */
    struct expr_block block;
    uint32_t *outputs; /* registers */
    uint32_t n_outputs;
    struct expr_context context;
    struct expr_heap heap;
};

/* Runs a block over rows; `rows` NULL: 0..n. */
int expr_run_block(struct expr_program *p, const struct expr_block *block, const uint16_t *rows,
                   uint32_t n, uint32_t n_rows, struct error *err) MUST_CHECK;
/* Control instructions, whose first operand (of EXPR_OP_CASE: none) was computed. */
int expr_run_control(struct expr_program *p, const struct expr_instruction *in,
                     const uint16_t *rows, uint32_t n, uint32_t n_rows,
                     struct error *err) MUST_CHECK;
/* Memory of a result: values for n_rows, no validity. */
void expr_prepare(struct expr_program *p, struct expr_vector *out, const struct data_type *type,
                  uint32_t n_rows);
void expr_release(struct expr_vector *v);
static inline bool expr_is_nested(const struct data_type *type)
{
    return type->layout == LAYOUT_LIST || type->layout == LAYOUT_MAP ||
           type->layout == LAYOUT_STRUCT;
}

#endif
