/* fairlead admin limit ...: how many sessions may run at a time. */
#pragma once

int admin_limit(int argc, char **argv);
/* fairlead admin tenant weight TENANT N: how its turns compare with those of others. */
int admin_weight(const char *tenant, const char *weight);
