/* Expressions compiled: registers, blocks, kernels bound, the last use of each register. */
#include "engine/expr/program_inside.h"

#include "common/base/map.h"
#include "common/base/vec.h"
#include "engine/expr/type_rules.h"

#include <inttypes.h>

enum { NO_REGISTER = UINT32_MAX };

/* A block that is being written. */
struct writer {
    struct vec instructions; /* struct expr_instruction */
    struct vec
        defined;   /* uint32_t: ids of nodes that are known in this block and those inside it */
    bool is_inner; /* what it defines is forgotten at its end */
};

struct compiler {
    struct expr_program *program;
    const struct expr_program_options *options;
    struct expr_pool *pool; /* the program's */
    uint32_t *register_of;  /* by id of node; NO_REGISTER */
    uint32_t n_ids;
    struct vec registers; /* struct expr_register */
    struct map inputs;    /* nodes of the caller -> nodes of the program */
};

struct expr_register {
    const struct data_type *type;
    bool is_input, is_constant, is_kept;
    uint32_t column;
    struct expr_value *value; /* of literals */
};

static int emit(struct compiler *c, struct writer *w, const struct expr *e, uint32_t *ret_register,
                struct error *err);

/* ---- a copy of the expressions in the program's own pool -------------------------------------------- */

/* bigint + 1 is the sum of two BIGINTs: kernels of one type are faster than those of two. */
static const struct expr *widen_literal(struct compiler *c, const struct expr *call,
                                        const struct expr *arg)
{
    const bool is_narrow = arg->kind == EXPR_LITERAL && !arg->value.is_null &&
                           type_is_integer(arg->type) && type_is_integer(call->type) &&
                           arg->type->id < call->type->id;
    if (!is_narrow || (call->function->flags & EXPR_FN_WIDENS) == 0) {
        return arg;
    }
    return expr_literal(c->pool, type_new(call->type->id, arg->type->nullable), arg->value);
}

static const struct expr *copy_node(struct compiler *c, const struct expr *e)
{
    const struct expr *known = map_find_bytes(&c->inputs, &e, sizeof(e));
    if (known != NULL) {
        return known;
    }
    const struct expr **args = mem_alloc((e->n_args + 1) * sizeof(*args));
    for (uint32_t i = 0; i < e->n_args; i++) {
        args[i] = copy_node(c, e->args[i]);
        if (e->kind == EXPR_CALL) {
            args[i] = widen_literal(c, e, args[i]);
            c->n_ids = MAX(c->n_ids, args[i]->id + 1);
        }
    }
    struct data_type *type = type_ref(e->type);
    const struct expr *copy;
    switch (e->kind) {
    case EXPR_INPUT:
        copy = expr_input(c->pool, e->index, type);
        break;
    case EXPR_LITERAL:
        copy = expr_literal(c->pool, type, e->value);
        break;
    case EXPR_FIELD:
        type_unref(type);
        copy = expr_field(c->pool, args[0], e->index);
        break;
    default:
        copy = expr_call_of(c->pool, e->function, args, e->n_args, type);
        break;
    }
    mem_free(args);
    map_put_bytes(&c->inputs, &e, sizeof(e), (void *)(uintptr_t)copy);
    c->n_ids = MAX(c->n_ids, copy->id + 1);
    return copy;
}

static int check_node(const struct compiler *c, const struct expr *e, struct error *err)
{
    const struct schema *input = c->options->input;
    if (e->depth > EXPR_DEPTH_MAX) {
        return error_set(err, ERR_TOO_LARGE,
                         "an expression has %" PRIu32 " levels; there may be %d", e->depth,
                         EXPR_DEPTH_MAX);
    }
    if (e->kind == EXPR_EXTERNAL) {
        return error_set(err, ERR_INTERNAL, "an expression of the planner was left in a program");
    }
    if (e->kind == EXPR_INPUT &&
        (e->index >= input->n_fields || input->fields[e->index].type->layout != e->type->layout)) {
        return error_set(err, ERR_INTERNAL, "column %" PRIu32 " of the input is another one",
                         e->index);
    }
    for (uint32_t i = 0; i < e->n_args; i++) {
        TRY(check_node(c, e->args[i], err));
    }
    return 0;
}

/* ---- registers -------------------------------------------------------------------------------------- */

static uint32_t new_register(struct compiler *c, const struct expr *e)
{
    const uint32_t r = (uint32_t)c->registers.len;
    struct expr_register *reg = VEC_PUSH(&c->registers, struct expr_register);
    reg->type = e->type;
    return r;
}

static void define(struct compiler *c, struct writer *w, const struct expr *e, uint32_t r)
{
    c->register_of[e->id] = r;
    *VEC_PUSH(&w->defined, uint32_t) = e->id;
}

static uint32_t input_register(struct compiler *c, const struct expr *e)
{
    const uint32_t r = new_register(c, e);
    struct expr_register *reg = VEC_AT(&c->registers, struct expr_register, r);
    reg->is_input = true;
    reg->column = e->index;
    c->register_of[e->id] = r; /* everywhere */
    return r;
}

static uint32_t literal_register(struct compiler *c, const struct expr *e)
{
    const uint32_t r = new_register(c, e);
    struct expr_register *reg = VEC_AT(&c->registers, struct expr_register, r);
    reg->is_constant = true;
    reg->value = (struct expr_value *)(uintptr_t)&e->value;
    c->register_of[e->id] = r;
    return r;
}

/* ---- blocks ----------------------------------------------------------------------------------------- */

static void open_writer(struct writer *w, bool is_inner)
{
    vec_init(&w->instructions, sizeof(struct expr_instruction));
    vec_init(&w->defined, sizeof(uint32_t));
    w->is_inner = is_inner;
}

static void close_writer(struct compiler *c, struct writer *w, struct expr_block *ret)
{
    for (size_t i = 0; w->is_inner && i < w->defined.len; i++) {
        c->register_of[*VEC_AT(&w->defined, uint32_t, i)] = NO_REGISTER;
    }
    ret->n = (uint32_t)w->instructions.len;
    if (ret->n > 0) {
        ret->instructions = arena_alloc(&c->program->arena, ret->n * sizeof(*ret->instructions));
        memcpy(ret->instructions, w->instructions.data, ret->n * sizeof(*ret->instructions));
    }
    vec_fini(&w->instructions);
    vec_fini(&w->defined);
}

static struct expr_instruction new_instruction(struct compiler *c, const struct expr *e,
                                               enum expr_op op)
{
    struct arena *arena = &c->program->arena;
    return (struct expr_instruction){
        .op = op,
        .node = e,
        .n_args = e->n_args,
        .args = arena_zalloc(arena, (e->n_args + 1) * sizeof(uint32_t)),
        .vectors = arena_zalloc(arena, (e->n_args + 1) * sizeof(struct expr_vector *)),
    };
}

static void free_block(struct expr_block *block);

static void free_blocks(struct expr_instruction *in)
{
    for (uint32_t k = 0; in->blocks != NULL && k < in->n_args; k++) {
        free_block(&in->blocks[k]);
    }
}

static void free_block(struct expr_block *block)
{
    for (uint32_t i = 0; i < block->n; i++) {
        struct expr_instruction *in = &block->instructions[i];
        if (in->free_state != NULL) {
            in->free_state(in->state);
        }
        free_blocks(in);
    }
}

/* ---- calls ------------------------------------------------------------------------------------------ */

static int bind(struct compiler *c, struct expr_instruction *in, struct error *err)
{
    const struct expr_function *f = in->node->function;
    struct expr_binding b = {
        .call = in->node,
        .arena = &c->program->arena,
        .zone = c->options->zone,
        .flags = f->flags,
        .kernel = f->kernel,
    };
    if (f->bind != NULL) {
        TRY(f->bind(&b, err));
    }
    if (b.kernel == NULL) {
        STR_AUTO text = STR_INIT;
        expr_print(in->node, c->options->input, &text);
        return error_set(err, ERR_UNSUPPORTED, "not supported yet: %s of these types: %.200s",
                         f->name, str_cstr(&text));
    }
    in->flags = b.flags;
    in->kernel = b.kernel;
    in->state = b.state;
    in->free_state = b.free_state;
    return 0;
}

/* May the node be computed for rows that do not want it, at no great cost? */
static bool is_cheap(const struct compiler *c, const struct expr *e, int depth)
{
    if (c->register_of[e->id] != NO_REGISTER || e->kind == EXPR_INPUT || e->kind == EXPR_LITERAL) {
        return true;
    }
    if (depth == 0 || e->kind == EXPR_FIELD ||
        (e->kind == EXPR_CALL && (e->function->control != EXPR_CONTROL_NONE ||
                                  (e->function->flags & EXPR_FN_DENSE) == 0))) {
        return false;
    }
    for (uint32_t i = 0; i < e->n_args; i++) {
        if (!is_cheap(c, e->args[i], depth - 1)) {
            return false;
        }
    }
    return true;
}

static int emit_operand(struct compiler *c, struct writer *w, struct expr_instruction *in,
                        uint32_t i, bool in_place, struct error *err)
{
    const struct expr *operand = in->node->args[i];
    if (in_place || is_cheap(c, operand, 4)) {
        return emit(c, w, operand, &in->args[i], err);
    }
    struct writer inner;
    open_writer(&inner, true);
    int rc = emit(c, &inner, operand, &in->args[i], err);
    close_writer(c, &inner, &in->blocks[i]);
    return rc;
}

/* The first operand is for all rows of the block; others are when they are cheap. */
static int emit_control(struct compiler *c, struct writer *w, const struct expr *e,
                        struct expr_instruction *in, struct error *err)
{
    in->blocks = arena_zalloc(&c->program->arena, (e->n_args + 1) * sizeof(*in->blocks));
    for (uint32_t i = 0; i < e->n_args; i++) {
        TRY(emit_operand(c, w, in, i, i == 0, err));
    }
    return 0;
}

static enum expr_op op_of(const struct expr *e)
{
    switch (e->function->control) {
    case EXPR_CONTROL_AND:
    case EXPR_CONTROL_OR:
        return EXPR_OP_LOGIC;
    case EXPR_CONTROL_CASE:
        return EXPR_OP_CASE;
    case EXPR_CONTROL_COALESCE:
        return EXPR_OP_COALESCE;
    default:
        return EXPR_OP_CALL;
    }
}

static int emit_call(struct compiler *c, struct writer *w, const struct expr *e,
                     uint32_t *ret_register, struct error *err)
{
    struct expr_instruction in =
        new_instruction(c, e, e->kind == EXPR_FIELD ? EXPR_OP_FIELD : op_of(e));
    in.index = e->index;
    if (in.op == EXPR_OP_CALL || in.op == EXPR_OP_FIELD) {
        for (uint32_t i = 0; i < e->n_args; i++) {
            TRY(emit(c, w, e->args[i], &in.args[i], err));
        }
        if (in.op == EXPR_OP_CALL) {
            TRY(bind(c, &in, err));
        }
    } else {
        in.is_and = e->function->control == EXPR_CONTROL_AND;
        int rc = emit_control(c, w, e, &in, err);
        if (rc < 0) {
            free_blocks(&in);
            return rc;
        }
    }
    in.out = new_register(c, e);
    *VEC_PUSH(&w->instructions, struct expr_instruction) = in;
    define(c, w, e, in.out);
    *ret_register = in.out;
    return 0;
}

static int emit(struct compiler *c, struct writer *w, const struct expr *e, uint32_t *ret_register,
                struct error *err)
{
    const uint32_t known = c->register_of[e->id];
    if (known != NO_REGISTER) {
        *ret_register = known;
        return 0;
    }
    if (e->kind == EXPR_INPUT) {
        *ret_register = input_register(c, e);
        return 0;
    }
    if (e->kind == EXPR_LITERAL) {
        *ret_register = literal_register(c, e);
        return 0;
    }
    return emit_call(c, w, e, ret_register, err);
}

/* ---- constants -------------------------------------------------------------------------------------- */

static bool may_fail(const struct expr *e)
{
    if (e->kind == EXPR_CALL && (e->function->flags & (EXPR_FN_CAN_FAIL | EXPR_FN_DYNAMIC)) != 0) {
        return true;
    }
    for (uint32_t i = 0; i < e->n_args; i++) {
        if (may_fail(e->args[i])) {
            return true;
        }
    }
    return false;
}

/* Constant parts that cannot fail are computed once. */
static int emit_constants(struct compiler *c, struct writer *w, const struct expr *e,
                          struct error *err)
{
    uint32_t r;
    if (e->kind == EXPR_CALL && e->is_constant && !may_fail(e)) {
        const size_t before = c->registers.len;
        TRY(emit(c, w, e, &r, err));
        for (size_t i = before; i < c->registers.len; i++) {
            VEC_AT(&c->registers, struct expr_register, i)->is_constant = true;
        }
        return 0;
    }
    for (uint32_t i = 0; i < e->n_args; i++) {
        TRY(emit_constants(c, w, e->args[i], err));
    }
    return 0;
}

/* ---- last uses -------------------------------------------------------------------------------------- */

struct use {
    const struct expr_block *owner; /* the level that defines it; NULL: an inner block */
    struct expr_instruction *last;
};

static void note_uses(struct compiler *c, const struct expr_block *block, struct use *uses,
                      const struct expr_block *level, struct expr_instruction *top)
{
    for (uint32_t i = 0; i < block->n; i++) {
        struct expr_instruction *in = &block->instructions[i];
        struct expr_instruction *at = top != NULL ? top : in;
        for (uint32_t k = 0; k < in->n_args; k++) {
            struct use *u = &uses[in->args[k]];
            if (u->owner == level) {
                u->last = at;
            }
        }
        for (uint32_t k = 0; in->blocks != NULL && k < in->n_args; k++) {
            note_uses(c, &in->blocks[k], uses, level, at);
        }
        if (top == NULL) {
            uses[in->out].owner = level;
            uses[in->out].last = in;
        }
    }
}

/* The instruction behind which a register is not needed any more, or NULL. */
static struct expr_instruction *last_use(struct compiler *c, const struct use *uses, size_t r)
{
    const struct expr_register *reg = VEC_AT(&c->registers, struct expr_register, r);
    return reg->is_kept || reg->is_constant || reg->is_input ? NULL : uses[r].last;
}

static void add_frees(struct compiler *c, const struct use *uses)
{
    for (size_t r = 0; r < c->registers.len; r++) {
        struct expr_instruction *in = last_use(c, uses, r);
        if (in != NULL) {
            in->n_frees++;
        }
    }
    for (size_t r = 0; r < c->registers.len; r++) {
        struct expr_instruction *in = last_use(c, uses, r);
        if (in == NULL) {
            continue;
        }
        if (in->frees == NULL) {
            in->frees = arena_alloc(&c->program->arena, in->n_frees * sizeof(*in->frees));
            in->n_frees = 0;
        }
        in->frees[in->n_frees++] = (uint32_t)r;
    }
}

/* The conditions and the outputs are one level: what one defines is known in those behind it. */
static void find_last_uses(struct compiler *c)
{
    struct expr_program *p = c->program;
    struct use *uses = MEM_NEW_ARRAY(struct use, c->registers.len + 1);
    for (uint32_t i = 0; i < p->n_conditions; i++) {
        note_uses(c, &p->conditions[i].block, uses, &p->block, NULL);
    }
    note_uses(c, &p->block, uses, &p->block, NULL);
    add_frees(c, uses);
    mem_free(uses);
}

/* ---- programs --------------------------------------------------------------------------------------- */

static struct column *new_children(struct arena *arena, const struct data_type *type,
                                   uint32_t *ret_n)
{
    const uint32_t n = *ret_n = type_child_columns(type);
    struct column *children = arena_zalloc(arena, (n + 1) * sizeof(*children));
    for (uint32_t i = 0; i < n; i++) {
        children[i].type = type_child_column(type, i);
        children[i].data = children[i].data_inline;
        children[i].cap_data = BATCH_DATA_INLINE;
        children[i].children = new_children(arena, children[i].type, &children[i].n_children);
    }
    return children;
}

static void make_registers(struct compiler *c)
{
    struct expr_program *p = c->program;
    const uint32_t n = p->n_registers = (uint32_t)c->registers.len;
    p->registers = arena_zalloc(&p->arena, (n + 1) * sizeof(*p->registers));
    p->types = arena_zalloc(&p->arena, (n + 1) * sizeof(*p->types));
    p->is_input = arena_zalloc(&p->arena, n + 1);
    p->is_constant = arena_zalloc(&p->arena, n + 1);
    p->input_column = arena_zalloc(&p->arena, (n + 1) * sizeof(*p->input_column));
    for (uint32_t r = 0; r < n; r++) {
        const struct expr_register *reg = VEC_AT(&c->registers, struct expr_register, r);
        struct expr_vector *v = &p->registers[r];
        p->types[r] = reg->type;
        p->is_input[r] = reg->is_input;
        p->is_constant[r] = reg->is_constant;
        p->input_column[r] = reg->column;
        v->is_constant = reg->is_constant;
        v->column.data = v->column.data_inline;
        v->column.cap_data = BATCH_DATA_INLINE;
        if (!reg->is_input) {
            v->column.children = new_children(&p->arena, reg->type, &v->column.n_children);
        }
        if (reg->value != NULL) {
            v->column.type = reg->type;
            expr_value_fill(p->constant_pool, reg->type, reg->value, 1, &v->column);
        }
    }
}

static void add_conjuncts(struct expr_pool *pool, const struct expr *e, struct vec *ret)
{
    if (e->kind == EXPR_CALL && e->function->control == EXPR_CONTROL_AND) {
        for (uint32_t i = 0; i < e->n_args; i++) {
            add_conjuncts(pool, e->args[i], ret);
        }
    } else {
        vec_push_ptr(ret, e);
    }
}

static int compile_conditions(struct compiler *c, struct vec *conjuncts, struct error *err)
{
    struct expr_program *p = c->program;
    p->conditions = arena_zalloc(&p->arena, (conjuncts->len + 1) * sizeof(*p->conditions));
    for (size_t i = 0; i < conjuncts->len; i++) {
        struct expr_condition *condition = &p->conditions[p->n_conditions];
        struct writer w;
        open_writer(&w, false);
        int rc = emit(c, &w, vec_ptr(conjuncts, i), &condition->reg, err);
        close_writer(c, &w, &condition->block);
        p->n_conditions++;
        TRY(rc);
        VEC_AT(&c->registers, struct expr_register, condition->reg)->is_kept = true;
    }
    return 0;
}

static int compile_outputs(struct compiler *c, const struct expr *const *outputs, struct error *err)
{
    struct expr_program *p = c->program;
    struct writer w;
    int rc = 0;
    p->n_outputs = c->options->n_outputs;
    p->outputs = arena_zalloc(&p->arena, (p->n_outputs + 1) * sizeof(*p->outputs));
    open_writer(&w, false);
    for (uint32_t i = 0; rc == 0 && i < p->n_outputs; i++) {
        rc = emit(c, &w, outputs[i], &p->outputs[i], err);
        if (rc == 0) {
            VEC_AT(&c->registers, struct expr_register, p->outputs[i])->is_kept = true;
        }
    }
    close_writer(c, &w, &p->block);
    return rc;
}

static int compile(struct compiler *c, const struct expr *const *outputs, struct vec *conjuncts,
                   struct error *err)
{
    struct writer w;
    int rc = 0;
    open_writer(&w, false);
    for (size_t i = 0; rc == 0 && i < conjuncts->len; i++) {
        rc = emit_constants(c, &w, vec_ptr(conjuncts, i), err);
    }
    for (uint32_t i = 0; rc == 0 && i < c->options->n_outputs; i++) {
        rc = emit_constants(c, &w, outputs[i], err);
    }
    close_writer(c, &w, &c->program->constants);
    TRY(rc);
    TRY(compile_conditions(c, conjuncts, err));
    TRY(compile_outputs(c, outputs, err));
    find_last_uses(c);
    make_registers(c);
    return 0;
}

static int compile_all(struct compiler *c, struct error *err)
{
    const struct expr_program_options *o = c->options;
    CLEANUP(vec_fini) struct vec conjuncts = VEC_INIT(const struct expr *);
    const struct expr **outputs =
        arena_alloc(&c->program->arena, (o->n_outputs + 1) * sizeof(*outputs));
    for (uint32_t i = 0; i < o->n_conditions; i++) {
        TRY(check_node(c, o->conditions[i], err));
        add_conjuncts(c->pool, copy_node(c, o->conditions[i]), &conjuncts);
    }
    for (uint32_t i = 0; i < o->n_outputs; i++) {
        TRY(check_node(c, o->outputs[i], err));
        outputs[i] = copy_node(c, o->outputs[i]);
    }
    if (c->n_ids > EXPR_NODES_MAX) {
        return error_set(err, ERR_TOO_LARGE, "%" PRIu32 " expressions; there may be %d", c->n_ids,
                         EXPR_NODES_MAX);
    }
    c->register_of = mem_alloc((c->n_ids + 1) * sizeof(*c->register_of));
    memset(c->register_of, 0xff, (c->n_ids + 1) * sizeof(*c->register_of));
    return compile(c, outputs, &conjuncts, err);
}

int expr_program_new(const struct expr_program_options *options, struct expr_program **ret,
                     struct error *err)
{
    static const struct buffer_pool_options pool_options = {.name = "constants of a program"};
    struct expr_program *p = MEM_NEW(struct expr_program);
    arena_init(&p->arena, 0);
    arena_init(&p->scratch, 65536);
    p->pool = expr_pool_new();
    p->input = schema_ref(options->input);
    p->output = schema_ref(options->output);
    p->constant_pool = buffer_pool_new(&pool_options);
    p->context.arena = &p->scratch;
    p->context.zone = options->zone;
    p->context.is_batch = options->is_batch;
    p->context.query_start_ms = options->query_start_ms;
    p->context.subtask = options->subtask;
    struct compiler c = {.program = p, .options = options, .pool = p->pool};
    vec_init(&c.registers, sizeof(struct expr_register));
    map_init(&c.inputs, NULL);
    int rc = compile_all(&c, err);
    map_fini(&c.inputs);
    vec_fini(&c.registers);
    mem_free(c.register_of);
    if (rc < 0) {
        expr_program_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

struct expr_program *expr_program_free(struct expr_program *program)
{
    if (program == NULL) {
        return NULL;
    }
    free_block(&program->constants);
    for (uint32_t i = 0; i < program->n_conditions; i++) {
        free_block(&program->conditions[i].block);
    }
    free_block(&program->block);
    for (uint32_t r = 0; r < program->n_registers; r++) {
        if (program->is_constant[r]) {
            expr_release(&program->registers[r]);
        }
    }
    schema_unref(program->input);
    schema_unref(program->output);
    buffer_pool_close(program->constant_pool);
    expr_pool_free(program->pool);
    arena_fini(&program->scratch);
    arena_fini(&program->arena);
    mem_free(program);
    return NULL;
}
