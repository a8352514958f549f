/* Which codes name a lymph node: its short axis counts, not its longest diameter. */
#include "sr_codes.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <strings.h>

namespace rp_dicom
{

/** SNOMED CT's lymph nodes among the concepts of PS3.16, with the groups of nodes that FHIR's
 *  profiles for oncology name, and enlarged or metastatic nodes as findings. Ascending. */
static const uint64_t snomed[] = {
    283001,    1439000,   3243006,   3916005,   4942000,   5296000,   5394000,   5727003,
    6413002,   8334002,   8356004,   8568009,   8928004,   9659009,   10209003,  11740004,
    11899006,  12196003,  12728001,  13482005,  16050005,  16051009,  16228004,  18457007,
    21875007,  23198005,  24889003,  25247006,  25447008,  25683005,  28330007,  28870006,
    30024008,  30746006,  30793004,  31171007,  33770006,  34625003,  34775006,  35721009,
    35783009,  36086000,  36251007,  40242007,  40684008,  41145006,  42472007,  44914007,
    46055009,  46157003,  47109002,  47471008,  47985009,  48193007,  48918001,  49394004,
    50193000,  52554005,  53074004,  54268001,  58130000,  59441001,  59503006,  60227002,
    60965003,  60996007,  61492009,  62630005,  62683002,  64038003,  64556009,  65266007,
    65349008,  65690001,  67941004,  68171009,  68339009,  68878000,  68881005,  68915008,
    69255009,  69691007,  72381005,  74203007,  75040000,  76290003,  76659008,  76704003,
    76838003,  76878005,  77778009,  79926007,  80769008,  80867000,  81105003,  81132008,
    82365008,  83380007,  84219008,  85380009,  89858007,  90606007,  91394001,  94392001,
    113336002, 113338001, 113340006, 127189005, 127919002, 127920008, 127921007, 127922000,
    127925003, 127926002, 127927006, 127930004, 127931000, 127932007, 127937001, 127938006,
    127939003, 127940001, 127941002, 143824007, 143925009, 144026003, 144127009, 155237005,
    155338003, 167364008, 167464007, 167664004, 167864002, 167965000, 168159002, 168360002,
    168460001, 168557005, 196374005, 196446004, 196516004, 196587000, 196662004, 196751009,
    196821008, 245265003, 245269009, 245276004, 245282001, 245283006, 245284000, 245288002,
    245294005, 245295006, 245299000, 245321008, 245322001, 245323006, 245324000, 245328002,
    245341003, 245344006, 245346008, 245357003, 249708006, 278571002, 278672000, 279141006,
    279142004, 279143009, 279144003, 279145002, 279189002, 279271008, 279609001, 279763008,
    279784003, 279795009, 279816002, 279866008, 280216006, 280314006, 280402004, 280556009,
    280639005, 280824006, 280915003, 280999005, 281227003, 281320004, 281676003, 281765006,
    281847004, 282031000, 285425001, 285427009, 285429007, 299993000, 303623000, 303713004,
    312500006, 312501005, 312502003, 312503008, 314730000, 314736006, 360992006, 360993001,
    363537007, 368550005, 371013005, 373150000, 373163006, 373165004, 373166003, 420800007,
    421624008, 421861001, 421988007, 443808008, 818991007, 1187336003};

struct Other {
    const char *scheme, *value;
};

/** The general concept elsewhere. */
static const Other others[] = {{"FMA", "5034"},       {"FMA", "FMA5034"},
                               {"FMA", "FMA:5034"},   {"NCIt", "C12745"},
                               {"UBERON", "0000029"}, {"UBERON", "UBERON:0000029"}};

static bool is_snomed(const rp_sr_code &code)
{
    char *end;
    const uint64_t value = std::strtoull(code.value, &end, 10);
    if (std::strcmp(code.scheme, "SCT") != 0 || *end) return false;
    return std::binary_search(std::begin(snomed), std::end(snomed), value);
}

/** All of T-C4 are lymph nodes in SNOMED's older edition, and of topographies of tumours C77. */
static bool is_of_a_chapter(const rp_sr_code &code)
{
    const bool old = std::strcmp(code.scheme, "SRT") == 0 ||
                     std::strcmp(code.scheme, "SNM3") == 0 ||
                     std::strcmp(code.scheme, "99SDM") == 0;
    const bool topography =
        std::strncmp(code.scheme, "ICDO", 4) == 0 || std::strncmp(code.scheme, "ICD-O", 5) == 0;
    return (old && (std::strncmp(code.value, "T-C4", 4) == 0 ||
                    std::strcmp(code.value, "T-28812") == 0)) ||
           (topography && std::strncmp(code.value, "C77", 3) == 0);
}

static bool is_general_elsewhere(const rp_sr_code &code)
{
    for (const Other &one : others)
        if (strcasecmp(code.scheme, one.scheme) == 0 && std::strcmp(code.value, one.value) == 0)
            return true;
    return false;
}

} // namespace rp_dicom

using namespace rp_dicom;

extern "C" bool rp_sr_code_is_node(const rp_sr_code *code)
{
    return code->value[0] && (is_snomed(*code) || is_of_a_chapter(*code) ||
                              is_general_elsewhere(*code) || rp_says_lymph_node(code->meaning));
}
