/* What fairlead-worker owns: its lease, its mailbox, its sessions. Hung on node->app. */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/err.h"
#include "json/write.h"

struct node;

/* For node_options. */
enum err_code app_start(struct node *node, struct err *err) MUST_CHECK;
void app_drain(struct node *node, unsigned for_ms);
void app_stop(struct node *node);
void app_close(struct node *node);
void app_redis_back(struct node *node);
bool app_ready(const struct node *node, struct jsonw *w);
