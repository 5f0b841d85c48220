/* Job graphs from outside: decoding and validation of any bytes. */
#include "common/base/str.h"
#include "engine/graph/job_graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Flinc__JobGraph *job = NULL;

    if (job_graph_decode(data, size, &job, NULL) == 0) {
        STR_AUTO plan = STR_INIT;
        uint32_t *regions = MEM_NEW_ARRAY(uint32_t, job->n_vertices);
        (void)job_graph_slots(job);
        (void)job_graph_regions(job, regions);
        job_graph_plan_json(job, &plan);
        mem_free(regions);
        flinc__job_graph__free_unpacked(job, NULL);
    }
    return 0;
}
