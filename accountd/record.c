#define WIRE_IMPLEMENT_HERE
#include "accountd/record.h"
