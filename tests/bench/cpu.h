/* CPU that processes have used so far: what a unit of work costs, whatever else the machine does.
 */
#pragma once

#include <sys/types.h>

/* Of a process and of its children that live, seconds. */
double cpu_of(pid_t pid);
/* Of this one. */
double cpu_of_self(void);
