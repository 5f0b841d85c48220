/* User accumulators: what the tasks report, and their sums over the job.  What they add up to is said
 * by their type, as Flink names it: "...Maximum" and "...Minimum" keep the extreme, all others add.
 * Accumulators of one name but different types stay apart.  See snapshot.h. */
#include "jobmanager/jobmaster/snapshot.h"

void snapshot_set_accumulators(struct snapshot *s, struct subtask *subtask,
                               Flinc__Accumulator *const *accumulators, size_t n)
{
    pthread_mutex_lock(&s->lock);
    subtask_drop_accumulators(subtask);
    for (size_t i = 0; i < MIN(n, (size_t)SNAPSHOT_ACCUMULATORS_MAX); i++) {
        *VEC_PUSH(&subtask->accumulators, struct task_accumulator) = (struct task_accumulator){
            .name = mem_strdup(accumulators[i]->name),
            .type = mem_strdup(accumulators[i]->type),
            .long_value = accumulators[i]->long_value,
            .double_value = accumulators[i]->double_value,
        };
    }
    pthread_mutex_unlock(&s->lock);
}

static int64_t add_wrapping(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static void accumulator_merge(struct task_accumulator *sum, const struct task_accumulator *a)
{
    if (cstr_ends_with(sum->type, "Maximum")) {
        sum->long_value = MAX(sum->long_value, a->long_value);
        sum->double_value = MAX(sum->double_value, a->double_value);
    } else if (cstr_ends_with(sum->type, "Minimum")) {
        sum->long_value = MIN(sum->long_value, a->long_value);
        sum->double_value = MIN(sum->double_value, a->double_value);
    } else {
        sum->long_value = add_wrapping(sum->long_value, a->long_value);
        sum->double_value += a->double_value;
    }
}

static void sum_free(void *value)
{
    struct task_accumulator *sum = value;
    mem_free(sum->name);
    mem_free(sum->type);
    mem_free(sum);
}

static void add_to_sums(struct map *sums, struct str *key, const struct task_accumulator *a)
{
    str_clear(key);
    str_append_cstr(key, a->name);
    str_append_char(key, '\0');
    str_append_cstr(key, a->type);
    struct task_accumulator *sum = map_find_bytes(sums, key->data, key->len);
    if (sum != NULL) {
        accumulator_merge(sum, a);
        return;
    }
    sum = mem_dup(a, sizeof(*a));
    sum->name = mem_strdup(a->name);
    sum->type = mem_strdup(a->type);
    (void)map_put_bytes(sums, key->data, key->len, sum);
}

void snapshot_each_accumulator(struct snapshot *s, const struct execution_graph *g,
                               void (*fn)(void *arg, const Flinc__Accumulator *sum), void *arg)
{
    STR_AUTO key = STR_INIT;
    struct map sums; /* name, NUL, type -> struct task_accumulator */
    map_init(&sums, sum_free);
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 0; i < g->n_subtasks; i++) {
        const struct vec *v = &g->subtasks[i].accumulators;
        for (size_t j = 0; j < v->len; j++) {
            add_to_sums(&sums, &key, VEC_AT(v, struct task_accumulator, j));
        }
    }
    pthread_mutex_unlock(&s->lock);
    MAP_FOREACH (&sums, entry) {
        const struct task_accumulator *sum = entry->value;
        Flinc__Accumulator message = FLINC__ACCUMULATOR__INIT;
        message.name = sum->name;
        message.type = sum->type;
        message.long_value = sum->long_value;
        message.double_value = sum->double_value;
        fn(arg, &message);
    }
    map_fini(&sums);
}
