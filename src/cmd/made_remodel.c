/* Remodelled follow-ups, as simulate and phantom name and describe them. */
#include "made.h"
#include "origin.h"

#include <string.h>

static int kind_of(const char *word)
{
    for (int k = 0; k < RP_REMODEL_KINDS; k++)
        if (strcmp(word, rp_remodel_word(k)) == 0) return k;
    return -1;
}

bool made_parse_with(const char *text, rp_remodel_options *how, char wrong[64])
{
    char list[256], *rest = NULL;
    snprintf(wrong, 64, "%s", text);
    if (snprintf(list, sizeof list, "%s", text) >= (int)sizeof list) return false;
    for (char *word = strtok_r(list, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        const int kind = kind_of(word);
        snprintf(wrong, 64, "%s", word);
        if (strcmp(word, "random") == 0)
            how->random = true;
        else if (strcmp(word, "none") == 0)
            continue;
        else if (kind >= 0)
            how->with |= 1u << kind;
        else
            return false;
    }
    return true;
}

rp_json *made_with_json(unsigned with)
{
    rp_json *json = rp_json_array();
    for (int k = 0; k < RP_REMODEL_KINDS; k++)
        if (with >> k & 1) rp_json_append_string(json, rp_remodel_word(k));
    return json;
}

void made_describe_remodel(rp_json *truth, const rp_remodeled *made)
{
    rp_json *draws = rp_json_object();
    for (int k = 0; k < made->draw_count; k++)
        rp_json_set_number(draws, made->draws[k].name, made->draws[k].value);
    rp_json_set_string(truth, "kind", "remodel");
    rp_json_set(truth, "with", made_with_json(made->with));
    rp_json_set_number(truth, "baseline_volume_cc", made->baseline_cc);
    rp_json_set_number(truth, "followup_volume_cc", made->followup_cc);
    rp_json_set_number(truth, "whole_diameter_mm", made->whole_diameter_mm);
    rp_json_set_number(truth, "largest_part_diameter_mm", made->largest_part_diameter_mm);
    rp_json_set_int(truth, "parts", made->parts);
    rp_json_set_number(truth, "baseline_contrast_hu", made->baseline_contrast_hu);
    rp_json_set_number(truth, "followup_contrast_hu", made->followup_contrast_hu);
    rp_json_set_number(truth, "baseline_cnr", made->baseline_cnr);
    rp_json_set_number(truth, "followup_cnr", made->followup_cnr);
    rp_json_set(truth, "draws", draws);
}

rp_status made_write_new_lesion(const char *folder, const made_visit *visit, const rp_mask *mask,
                                rp_json *files, rp_error *err)
{
    RP_AUTOFREE char *path = rp_path_join(folder, "new_lesion_mask.nii.gz");
    const cmd_origin origin = {.command = visit->command,
                               .label = visit->label,
                               .image = visit->source,
                               .contour_sha256 = visit->contour_sha256};
    if (!mask->data) return RP_OK;
    if (!path) return rp_fail(err, RP_ERR_MEMORY, "%s: out of memory", folder);
    rp_json_append_string(files, "new_lesion_mask.nii.gz");
    return cmd_write_mask(path, mask, &origin, err);
}
