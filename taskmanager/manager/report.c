/* What the task manager says of itself: Register and the answers to heartbeats. */
#include "taskmanager/manager/taskmanager_internal.h"

#include "common/base/failpoint.h"
#include <sys/sysinfo.h>
#include <unistd.h>

/* ---- slots -------------------------------------------------------------------------------------- */

struct slot_report {
    Flinc__SlotReport message;
    Flinc__SlotStatus *rows;                   /* Owns */
    Flinc__SlotStatus **links;                 /* Owns */
    struct resource_profile_message *profiles; /* Owns */
};

/* All static slots, and those dynamic ones that are in use.  Borrows ids of the table. */
static void slot_report_init(struct slot_report *r, const struct slot_table *t)
{
    uint32_t n = 0;
    uint32_t n_profiles = 0;
    r->rows = MEM_NEW_ARRAY(Flinc__SlotStatus, tm_slot_table_n_rows(t));
    r->links = MEM_NEW_ARRAY(Flinc__SlotStatus *, tm_slot_table_n_rows(t));
    r->profiles = MEM_NEW_ARRAY(struct resource_profile_message, (size_t)t->n_dynamic + 1);
    for (uint32_t i = 0; i < tm_slot_table_n_rows(t); i++) {
        const struct tm_slot *s = tm_slot_table_row(t, i);
        if (i >= t->n && s->state == SLOT_FREE) {
            continue;
        }
        Flinc__SlotStatus *row = r->links[n] = &r->rows[n];
        n++;
        flinc__slot_status__init(row);
        if (s->profile != NULL) {
            resource_profile_fill(s->profile, &r->profiles[n_profiles]);
            row->profile = &r->profiles[n_profiles++].profile;
        }
        row->index = i;
        row->state = (Flinc__SlotState)s->state;
        if (s->state != SLOT_FREE) {
            row->job_id = tm_id_bytes(&s->job_id);
            row->allocation_id = tm_id_bytes(&s->allocation_id);
        }
    }
    flinc__slot_report__init(&r->message);
    r->message.slots = r->links;
    r->message.n_slots = n;
}

static void slot_report_fini(struct slot_report *r)
{
    mem_free(r->rows);
    mem_free(r->links);
    mem_free(r->profiles);
}

/* ---- hardware ----------------------------------------------------------------------------------- */

static uint64_t free_memory(void)
{
    struct sysinfo info;
    return sysinfo(&info) == 0 ? (uint64_t)info.freeram * info.mem_unit : 0;
}

static void fill_hardware(const struct taskmanager *tm, Flinc__HardwareDescription *ret)
{
    struct sysinfo info;
    flinc__hardware_description__init(ret);
    ret->cpu_cores = (uint32_t)MAX(1L, sysconf(_SC_NPROCESSORS_ONLN));
    ret->physical_memory = sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 0;
    ret->free_memory = free_memory();
    ret->managed_memory = tm->options.memory.managed;
}

/* ---- Register ----------------------------------------------------------------------------------- */

int tm_report_register(struct taskmanager *tm, struct error *err)
{
    struct resource_profile_message slot, total;
    Flinc__MemoryConfiguration memory;
    Flinc__HardwareDescription hardware;
    Flinc__Register m = FLINC__REGISTER__INIT;
    Flinc__TaskManagerToMaster envelope = FLINC__TASK_MANAGER_TO_MASTER__INIT;
    struct slot_report slots;
    TRY(FAILPOINT(err, "taskmanager.register.before_send"));
    resource_profile_fill(&tm->slots.slot_profile, &slot);
    resource_profile_fill(&tm->slots.total, &total);
    tm_memory_fill_configuration(&tm->options.memory, &memory);
    fill_hardware(tm, &hardware);
    slot_report_init(&slots, &tm->slots);
    m.resource_id = (char *)tm->identity.resource_id;
    m.instance_id = tm_id_bytes(&tm->instance_id);
    m.product_version = (char *)FLINC_VERSION;
    m.protocol_version = TASKMANAGER_PROTOCOL_VERSION;
    m.host = (char *)tm->identity.host;
    m.rpc_address = (char *)tm->identity.rpc_address;
    m.data_port = tm->identity.data_port;
    m.data_address = (char *)tm->identity.data_address;
    m.n_slots = tm->slots.n;
    m.slot_profile = &slot.profile;
    m.total_profile = &total.profile;
    m.memory = &memory;
    m.hardware = &hardware;
    m.slots = &slots.message;
    m.known_leader = tm->has_leader ? tm_id_bytes(&tm->leader) : (ProtobufCBinaryData){0, NULL};
    m.pid = (uint32_t)getpid();
    envelope.version = TASKMANAGER_PROTOCOL_VERSION;
    envelope.leader = m.known_leader;
    envelope.body_case = FLINC__TASK_MANAGER_TO_MASTER__BODY_REGISTER_;
    envelope.register_ = &m;
    int rc = rpc_channel_send(tm->channel, &envelope.base, err);
    slot_report_fini(&slots);
    return rc;
}

/* ---- heartbeats --------------------------------------------------------------------------------- */

struct job_rows {
    struct vec rows;  /* of Flinc__JobOnTaskManager with owned ids */
    uint32_t n_tasks; /* of all */
};

static void add_job_row(void *arg, const Flinc__JobOnTaskManager *job)
{
    struct job_rows *r = arg;
    Flinc__JobOnTaskManager *row = VEC_PUSH(&r->rows, Flinc__JobOnTaskManager);
    flinc__job_on_task_manager__init(row);
    row->n_tasks = job->n_tasks;
    row->rss_bytes = job->rss_bytes;
    row->job_id.len = job->job_id.len;
    row->job_id.data = mem_dup(job->job_id.data, job->job_id.len);
    r->n_tasks += job->n_tasks;
}

void tm_report_heartbeat(struct taskmanager *tm, uint64_t number)
{
    struct job_rows jobs = {.rows = VEC_INIT(Flinc__JobOnTaskManager)};
    struct slot_report slots;
    Flinc__HeartbeatToMaster m = FLINC__HEARTBEAT_TO_MASTER__INIT;
    Flinc__TaskManagerToMaster envelope = FLINC__TASK_MANAGER_TO_MASTER__INIT;
    tm->ops->each(tm->host, add_job_row, &jobs);
    slot_report_init(&slots, &tm->slots);
    Flinc__JobOnTaskManager **links = MEM_NEW_ARRAY(Flinc__JobOnTaskManager *, jobs.rows.len + 1);
    for (size_t i = 0; i < jobs.rows.len; i++) {
        links[i] = VEC_AT(&jobs.rows, Flinc__JobOnTaskManager, i);
    }
    m.number = number;
    m.slots = &slots.message;
    m.assigned_tasks = jobs.n_tasks;
    m.free_memory = free_memory();
    m.jobs = links;
    m.n_jobs = jobs.rows.len;
    envelope.body_case = FLINC__TASK_MANAGER_TO_MASTER__BODY_HEARTBEAT;
    envelope.heartbeat = &m;
    tm_outbox_send(tm, &envelope);
    for (uint32_t i = 0; i < tm_slot_table_n_rows(&tm->slots); i++) {
        struct tm_slot *s = tm_slot_table_row(&tm->slots, i);
        if (s->state == SLOT_ACTIVE && s->reported_as_active == 0) {
            s->reported_as_active = number;
        }
    }
    for (size_t i = 0; i < jobs.rows.len; i++) {
        mem_free(links[i]->job_id.data);
    }
    mem_free(links);
    vec_fini(&jobs.rows);
    slot_report_fini(&slots);
}
