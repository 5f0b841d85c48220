/* Rescales as people see them; see rescale_history.h.
 *
 * Each is a message on the heap as protobuf-c frees it, so that readers get it packed as it is. */
#include "jobmanager/adaptive/rescale_history.h"

#include "common/base/mem.h"
#include "common/rpc/message.h"
#include <stdlib.h>
#include <string.h>

enum { STATES_MAX = 64 }; /* of one rescale that are written down */

static void *message_zalloc(size_t size)
{
    void *p = calloc(1, size);
    ASSERT(p != NULL);
    return p;
}

static char *message_text(const char *text)
{
    char *copy = strdup(text);
    ASSERT(copy != NULL);
    return copy;
}

static ProtobufCBinaryData message_bytes(const void *data, size_t size)
{
    uint8_t *copy = message_zalloc(size + 1);
    memcpy(copy, data, size);
    return (ProtobufCBinaryData){size, copy};
}

static Flinc__Rescale *current(const struct rescale_history *h)
{
    Flinc__Rescale *last = h->rescales.len > 0 ? vec_ptr(&h->rescales, h->rescales.len - 1) : NULL;
    return last != NULL && last->end == FLINC__RESCALE_END__RESCALE_IN_PROGRESS ? last : NULL;
}

void rescale_history_init(struct rescale_history *h, uint32_t max, struct rng *rng)
{
    *h = (struct rescale_history){.max = max, .rng = rng};
    vec_init(&h->rescales, sizeof(Flinc__Rescale *));
    id_random(&h->requirements_id, rng);
}

void rescale_history_fini(struct rescale_history *h)
{
    for (size_t i = 0; i < h->rescales.len; i++) {
        flinc__rescale__free_unpacked(vec_ptr(&h->rescales, i), NULL);
    }
    vec_fini(&h->rescales);
}

void rescale_history_new_requirements(struct rescale_history *h, int64_t now_ms)
{
    rescale_history_end(h, FLINC__RESCALE_END__RESCALE_IGNORED,
                        FLINC__RESCALE_REASON__RESCALE_RESOURCE_REQUIREMENTS_UPDATED, NULL, now_ms);
    id_random(&h->requirements_id, h->rng);
    h->n_attempts = 0;
}

/* ---- begin ---------------------------------------------------------------------------------------- */

static void describe_vertices(Flinc__Rescale *r, const struct rescale_start *start)
{
    const struct parallelism_problem *p = start->problem;
    r->n_vertices = p->n_vertices;
    r->vertices = message_zalloc((p->n_vertices + 1) * sizeof(r->vertices[0]));
    for (uint32_t i = 0; i < p->n_vertices; i++) {
        const Flinc__JobVertex *spec = p->graph->vertices[i];
        Flinc__RescaledVertex *v = message_zalloc(sizeof(*v));
        flinc__rescaled_vertex__init(v);
        v->vertex_id = message_bytes(spec->id.data, spec->id.len);
        v->name = message_text(spec->name);
        v->slot_sharing_group = message_text(spec->slot_sharing_group);
        v->desired = p->vertices[i].bounds.upper;
        v->sufficient = p->vertices[i].bounds.lower;
        v->before = start->parallelism != NULL ? start->parallelism[i] : 0;
        r->vertices[i] = v;
    }
}

/* Slots of a group: its widest vertex. */
static uint32_t slots_of(const struct parallelism_problem *p, uint32_t group,
                         const uint32_t *parallelism)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_vertices && parallelism != NULL; i++) {
        n = p->vertices[i].group == group ? MAX(n, parallelism[i]) : n;
    }
    return n;
}

/* NULL: slots of this kind have none of their own. */
static Flinc__ResourceProfile *copy_profile(const struct parallelism_problem *p, uint32_t slot_kind)
{
    const struct resource_profile *profile = slot_kinds_profile(&p->kinds, slot_kind);
    struct resource_profile_message m;
    if (profile == NULL) {
        return NULL;
    }
    resource_profile_fill(profile, &m);
    return message_copy(&m.profile.base);
}

static void describe_slots(Flinc__Rescale *r, const struct rescale_start *start)
{
    const struct parallelism_problem *p = start->problem;
    r->n_slots = p->n_groups;
    r->slots = message_zalloc((p->n_groups + 1) * sizeof(r->slots[0]));
    for (uint32_t i = 0; i < p->n_groups; i++) {
        Flinc__RescaledSlots *s = message_zalloc(sizeof(*s));
        flinc__rescaled_slots__init(s);
        s->slot_sharing_group = message_text(p->groups[i].name);
        s->profile = copy_profile(p, p->groups[i].slot_kind);
        s->desired = p->groups[i].upper;
        s->sufficient = p->groups[i].lower;
        s->before = slots_of(p, i, start->parallelism);
        r->slots[i] = s;
    }
}

static void add_state(Flinc__Rescale *r, const char *state, int64_t now_ms)
{
    if (r->n_states < STATES_MAX) {
        Flinc__SchedulerStateSpan *span = message_zalloc(sizeof(*span));
        flinc__scheduler_state_span__init(span);
        span->state = message_text(state);
        span->enter_ms = now_ms;
        span->exception = message_text("");
        r->states[r->n_states++] = span;
    }
}

void rescale_history_begin(struct rescale_history *h, const struct rescale_start *start)
{
    struct flinc_id id;
    if (h->max == 0 || current(h) != NULL) {
        return;
    }
    Flinc__Rescale *r = message_zalloc(sizeof(*r));
    flinc__rescale__init(r);
    id_random(&id, h->rng);
    r->uuid = message_bytes(id.bytes, sizeof(id.bytes));
    r->requirements_uuid =
        message_bytes(h->requirements_id.bytes, sizeof(h->requirements_id.bytes));
    r->attempt = ++h->n_attempts;
    r->cause = start->cause;
    r->start_ms = start->now_ms;
    describe_vertices(r, start);
    describe_slots(r, start);
    r->states = message_zalloc(STATES_MAX * sizeof(r->states[0]));
    add_state(r, start->state, start->now_ms);
    if (h->rescales.len >= h->max) {
        flinc__rescale__free_unpacked(vec_ptr(&h->rescales, 0), NULL);
        vec_remove(&h->rescales, 0);
    }
    vec_push_ptr(&h->rescales, r);
}

/* ---- going on, end -------------------------------------------------------------------------------- */

static void leave_state(Flinc__Rescale *r, const struct error *why, int64_t now_ms)
{
    char text[ERROR_MESSAGE_MAX];
    Flinc__SchedulerStateSpan *last = r->states[r->n_states - 1];
    if (last->leave_ms != 0) {
        return;
    }
    last->leave_ms = MAX(now_ms, (int64_t)1);
    if (why != NULL) {
        free(last->exception);
        last->exception = message_text(error_format(why, text, sizeof(text)));
    }
}

void rescale_history_enter(struct rescale_history *h, const char *state, const struct error *why,
                           int64_t now_ms)
{
    Flinc__Rescale *r = current(h);
    if (r != NULL && strcmp(r->states[r->n_states - 1]->state, state) != 0) {
        leave_state(r, why, now_ms);
        add_state(r, state, now_ms);
    }
}

void rescale_history_end(struct rescale_history *h, Flinc__RescaleEnd end,
                         Flinc__RescaleReason reason, const uint32_t *parallelism, int64_t now_ms)
{
    Flinc__Rescale *r = current(h);
    if (r == NULL) {
        return;
    }
    leave_state(r, NULL, now_ms);
    r->end = end;
    r->reason = reason;
    r->end_ms = now_ms;
    for (size_t i = 0; i < r->n_vertices && parallelism != NULL; i++) {
        r->vertices[i]->after = parallelism[i];
        for (size_t k = 0; k < r->n_slots; k++) {
            if (strcmp(r->slots[k]->slot_sharing_group, r->vertices[i]->slot_sharing_group) == 0) {
                r->slots[k]->after = MAX(r->slots[k]->after, parallelism[i]);
            }
        }
    }
}
