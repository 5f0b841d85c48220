/* The groups of the cluster schema, in the order of the reference page; each is a table in the file
 * named above it. */
#ifndef FLINC_COMMON_CONF_OPTIONS_H
#define FLINC_COMMON_CONF_OPTIONS_H

#include "common/conf/option.h"

/* options_job.c */
extern const struct conf_group conf_execution_group;
extern const struct conf_group conf_batch_group;
extern const struct conf_group conf_pipeline_group;
extern const struct conf_group conf_restart_group;
extern const struct conf_group conf_checkpoint_group;
extern const struct conf_group conf_user_code_group;

/* options_taskmanager.c */
extern const struct conf_group conf_task_group;
extern const struct conf_group conf_taskmanager_group;
extern const struct conf_group conf_taskmanager_memory_group;
extern const struct conf_group conf_network_group;

/* options_jobmanager.c */
extern const struct conf_group conf_jobmanager_group;
extern const struct conf_group conf_cluster_group;
extern const struct conf_group conf_resourcemanager_group;
extern const struct conf_group conf_store_group;
extern const struct conf_group conf_ha_group;
extern const struct conf_group conf_history_group;

/* options_state.c */
extern const struct conf_group conf_state_group;
extern const struct conf_group conf_rocksdb_group;
extern const struct conf_group conf_forst_group;

/* options_sql.c */
extern const struct conf_group conf_table_group;
extern const struct conf_group conf_sql_gateway_group;
extern const struct conf_group conf_python_group;

/* options_observe.c */
extern const struct conf_group conf_env_group;
extern const struct conf_group conf_metrics_group;
extern const struct conf_group conf_trace_group;
extern const struct conf_group conf_rest_group;
extern const struct conf_group conf_web_group;

/* options_system.c */
extern const struct conf_group conf_security_group;
extern const struct conf_group conf_rpc_group;
extern const struct conf_group conf_filesystem_group;
extern const struct conf_group conf_kubernetes_group;
extern const struct conf_group conf_yarn_group;
extern const struct conf_group conf_internal_group;

#endif
