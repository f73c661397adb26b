/* `fairlead admin tenant ...`; argv[0] is "fairlead", argv[1] "tenant". */
#pragma once

int admin_tenant(int argc, char **argv);
