/* What task managers have, what of it is free, and slots that are cut out of it.
 *
 * A task manager has n static slots, each worth an n-th of it: what a job gets that asks for no profile.  A slot
 * with a profile of its own is dynamic: it has an index behind the static ones as long as it is in use, and
 * takes from the same whole, so a static slot may be FREE and yet not be had.  A task manager without dynamic
 * slots is never calculated with.
 * Thread: the resource manager's.  Flink: FineGrainedTaskManagerTracker, DefaultResourceAllocationStrategy. */
#include "jobmanager/resourcemanager/resourcemanager_internal.h"

/* ---- rows ------------------------------------------------------------------------------------------- */

struct rm_slot *rm_tm_make_row(struct rm_tm *tm, uint32_t index)
{
    ASSERT(index >= tm->n_slots && index < RM_SLOTS_PER_TASK_MANAGER_MAX);
    while (rm_tm_n_rows(tm) <= index) {
        struct rm_slot *s = MEM_NEW(struct rm_slot);
        rm_slot_init(s, tm, rm_tm_n_rows(tm));
        vec_push_ptr(&tm->dynamic, s);
    }
    return rm_tm_row(tm, index);
}

static struct rm_slot *find_free(const struct rm_tm *tm, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++) {
        if (rm_tm_row(tm, i)->state == RM_SLOT_FREE) {
            return rm_tm_row(tm, i);
        }
    }
    return NULL;
}

struct rm_slot *rm_tm_pick_row(struct rm_tm *tm, const struct resource_profile *profile)
{
    if (profile == NULL) {
        return find_free(tm, 0, tm->n_slots);
    }
    struct rm_slot *s = find_free(tm, tm->n_slots, rm_tm_n_rows(tm));
    return s != NULL ? s : rm_tm_make_row(tm, rm_tm_n_rows(tm));
}

/* ---- profiles --------------------------------------------------------------------------------------- */

static void read_profile(const Flinc__ResourceProfile *m, struct resource_profile *ret)
{
    *ret = (struct resource_profile){0};
    if (m != NULL) {
        int rc = resource_profile_read(m, ret, NULL);
        ASSERT(rc == 0); /* checked when it registered */
    }
}

void rm_tm_read_profiles(struct rm_tm *tm)
{
    read_profile(tm->info->total_profile, &tm->total);
    read_profile(tm->info->slot_profile, &tm->slot_profile);
}

void rm_tm_get_free(const struct rm_tm *tm, struct resource_profile *ret)
{
    *ret = tm->total;
    resource_profile_subtract(ret, &tm->taken);
    for (uint32_t i = tm->n_free; i < tm->n_slots; i++) {
        resource_profile_subtract(ret, &tm->slot_profile);
    }
}

bool rm_tm_has_room(const struct rm_tm *tm, const struct resource_profile *profile)
{
    struct resource_profile left;
    if (profile == NULL ? tm->n_free == 0 : rm_tm_n_rows(tm) >= RM_SLOTS_PER_TASK_MANAGER_MAX) {
        return false;
    }
    if (profile == NULL && tm->n_dynamic == 0) {
        return true; /* the static slots are equal parts of the whole */
    }
    rm_tm_get_free(tm, &left);
    return resource_profile_fits(profile != NULL ? profile : &tm->slot_profile, &left);
}

/* Jobs do not ask for network memory, and every slot needs some: as much of it as of task heap memory, so that the
 * shares of all slots never make more than the whole.  Flink: SsgNetworkMemoryCalculationUtils. */
static uint64_t network_share(const struct rm_tm *tm, const struct resource_profile *p)
{
    struct resource_profile left;
    if (tm->total.task_heap_bytes == 0) {
        return 0;
    }
    unsigned __int128 product = (unsigned __int128)p->task_heap_bytes * tm->total.network_bytes;
    uint64_t share = (uint64_t)(product / tm->total.task_heap_bytes);
    rm_tm_get_free(tm, &left);
    return MIN(share, left.network_bytes); /* static slots leave a few bytes of rounding */
}

void rm_slot_set_profile(struct rm_slot *s, const struct resource_profile *profile)
{
    ASSERT(s->index >= s->tm->n_slots && s->state == RM_SLOT_FREE && s->profile == NULL);
    s->profile = mem_dup(profile, sizeof(*profile));
    if (s->profile->network_bytes == 0) {
        s->profile->network_bytes = network_share(s->tm, profile);
    }
}

uint32_t rm_tm_n_shown_free(const struct rm_tm *tm)
{
    return tm->n_free - MIN(tm->n_free, tm->n_dynamic);
}

/* ---- who gets none ---------------------------------------------------------------------------------- */

static bool is_in_use_by_all(const struct resourcemanager *rm, const struct resource_profile *p)
{
    for (size_t i = 0; i < rm->tms.len; i++) {
        if (resource_profile_fits(p, &((struct rm_tm *)vec_ptr(&rm->tms, i))->total)) {
            return true;
        }
    }
    return false;
}

enum { TOTALS_SHOWN = 3 };

/* "2 x ResourceProfile{...}, ...": a few different ones. */
static void append_totals(const struct resourcemanager *rm, struct str *out)
{
    uint32_t n_shown = 0;
    uint32_t n_others = 0;
    for (size_t i = 0; i < rm->tms.len; i++) {
        const struct rm_tm *tm = vec_ptr(&rm->tms, i);
        uint32_t n_equal = 0;
        bool is_first = true;
        for (size_t k = 0; k < rm->tms.len && is_first; k++) {
            const struct rm_tm *other = vec_ptr(&rm->tms, k);
            if (resource_profile_equals(&other->total, &tm->total)) {
                n_equal++;
                is_first = k >= i;
            }
        }
        if (is_first && n_shown < TOTALS_SHOWN) {
            str_printf(out, "%s%u x ", n_shown > 0 ? ", " : "", n_equal);
            resource_profile_append_text(&tm->total, out);
            n_shown++;
        } else {
            n_others += is_first ? n_equal : 0;
        }
    }
    if (n_others > 0) {
        str_printf(out, " and %u others", n_others);
    }
}

void rm_tell_short(struct resourcemanager *rm, struct rm_job *job, uint32_t kind)
{
    struct rm_need *need = &job->needs[kind];
    struct error why = ERROR_INIT;
    STR_AUTO wanted = STR_INIT;
    STR_AUTO totals = STR_INIT;
    if (need->profile == NULL || need->told == rm->changes || job->removed) {
        return;
    }
    need->told = rm->changes;
    bool possible = is_in_use_by_all(rm, need->profile);
    resource_profile_append_text(need->profile, &wanted);
    append_totals(rm, &totals);
    error_set(&why, ERR_UNAVAILABLE, "%s %s; task managers have in total: %s",
              possible ? "what is free of the task managers is too little for a slot of"
                       : "no task manager is large enough for a slot of",
              str_cstr(&wanted), rm->tms.len > 0 ? str_cstr(&totals) : "none is registered");
    if (!possible && rm->tms.len > 0) {
        LOG_WARN(RM_TOPIC, "Job %s waits for slots that nobody can give: %s", job->hex,
                 why.message);
    }
    jobmaster_slots_refused(job->spec.jm, &why);
}
