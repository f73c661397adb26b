/* `fairlead admin setup-pin` and `fairlead admin password-code`: how people get in when nobody who
 * is in can help. */
#pragma once

int admin_setup_pin(int argc, char **argv);
int admin_password_code(int argc, char **argv);
