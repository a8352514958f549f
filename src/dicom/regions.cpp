/* Body parts that lesions are followed in. Codes: PS3.16, CID 4 and CID 4031; their values of
 * BodyPartExamined: PS3.16, Annex L. */
#include "regions.hpp"

#include <cctype>
#include <iterator>

#include "reprise/dicom_seg.h"

namespace rp_dicom
{

static const Region regions[] = {
    {"ABDOMEN", "818981001", "Abdomen"},
    {"ABDOMENPELVIS", "818982008", "Abdomen and Pelvis"},
    {"BLADDER", "89837001", "Bladder"},
    {"BRAIN", "12738006", "Brain"},
    {"BREAST", "76752008", "Breast"},
    {"CHEST", "816094009", "Chest"},
    {"CHESTABDOMEN", "416550000", "Chest and Abdomen"},
    {"CHESTABDPELVIS", "416775004", "Chest, Abdomen and Pelvis"},
    {"COLON", "71854001", "Colon"},
    {"ESOPHAGUS", "32849002", "Esophagus"},
    {"EXTREMITY", "66019005", "Extremity"},
    {"HEAD", "69536005", "Head"},
    {"HEADNECK", "774007", "Head and Neck"},
    {"KIDNEY", "64033007", "Kidney"},
    {"LEG", "30021000", "Lower leg"},
    {"LIVER", "10200004", "Liver"},
    {"LUNG", "39607008", "Lung"},
    {"MEDIASTINUM", "72410000", "Mediastinum"},
    {"NECK", "45048000", "Neck"},
    {"NECKCHEST", "417437006", "Neck and Chest"},
    {"NECKCHESTABDOMEN", "416152001", "Neck, Chest and Abdomen"},
    {"NECKCHESTABDPELV", "416319003", "Neck, Chest, Abdomen and Pelvis"},
    {"PANCREAS", "15776009", "Pancreas"},
    {"PELVIS", "816092008", "Pelvis"},
    {"PROSTATE", "41216001", "Prostate"},
    {"RECTUM", "34402009", "Rectum"},
    {"WHOLEBODY", "38266002", "Entire body"},
};

/** Letters alone, in capitals. */
static std::string letters(const std::string &text)
{
    std::string kept;
    for (const unsigned char c : text)
        if (std::isalpha(c)) kept += char(std::toupper(c));
    return kept;
}

const Region *find_region(const std::string &name)
{
    const std::string wanted = letters(name);
    for (const Region &region : regions)
        if (wanted == region.body_part || wanted == letters(region.meaning)) return &region;
    return nullptr;
}

} // namespace rp_dicom

extern "C" bool rp_seg_region_known(const char *region)
{
    return rp_dicom::find_region(region) != nullptr;
}
