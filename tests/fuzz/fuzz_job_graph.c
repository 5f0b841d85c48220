/* Job graphs from outside: decoding and validation of any bytes. */
#include "common/base/str.h"
#include "engine/graph/job_graph.h"

enum { TASKS_MAX = 100000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Flinc__JobGraph *job = NULL;

    if (job_graph_decode(data, size, &job, NULL) == 0) {
        STR_AUTO plan = STR_INIT;
        (void)job_graph_slots(job);
        if (job_graph_tasks(job) <= TASKS_MAX) {
            uint32_t *regions = MEM_NEW_ARRAY(uint32_t, job_graph_tasks(job) + 1);
            (void)job_graph_regions(job, regions);
            mem_free(regions);
        }
        job_graph_plan_json(job, &plan);
        flinc__job_graph__free_unpacked(job, NULL);
    }
    return 0;
}
