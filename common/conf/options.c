/* The cluster schema: every group of options, in the order of the reference page. */
#include "common/conf/options.h"

static const struct conf_group *const groups[] = {
    &conf_execution_group,
    &conf_batch_group,
    &conf_pipeline_group,
    &conf_restart_group,
    &conf_checkpoint_group,
    &conf_user_code_group,
    &conf_task_group,
    &conf_taskmanager_group,
    &conf_taskmanager_memory_group,
    &conf_network_group,
    &conf_jobmanager_group,
    &conf_cluster_group,
    &conf_resourcemanager_group,
    &conf_store_group,
    &conf_ha_group,
    &conf_history_group,
    &conf_state_group,
    &conf_rocksdb_group,
    &conf_forst_group,
    &conf_table_group,
    &conf_sql_gateway_group,
    &conf_python_group,
    &conf_env_group,
    &conf_metrics_group,
    &conf_trace_group,
    &conf_rest_group,
    &conf_web_group,
    &conf_security_group,
    &conf_rpc_group,
    &conf_filesystem_group,
    &conf_kubernetes_group,
    &conf_yarn_group,
    &conf_internal_group,
};

struct conf_schema *conf_schema_cluster(void)
{
    static struct conf_schema schema = CONF_SCHEMA_INIT(groups);
    return &schema;
}
