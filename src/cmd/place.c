#include "place.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {"coordinates", "registration", "user", "unknown"};

const char *cmd_place_by_name(cmd_place_by by)
{
    return names[by];
}

void cmd_take_at(struct argp_state *state, const char *argument, double at[3])
{
    const char *rest = argument;
    for (int a = 0; a < 3; a++) {
        char one[64];
        const size_t length = strcspn(rest, ",");
        snprintf(one, sizeof one, "%.*s", (int)(length < 63 ? length : 63), rest);
        const bool ends = rest[length] != ',';
        if (!cmd_parse_number(one, &at[a]) || ends != (a == 2))
            argp_error(state, "--at takes X,Y,Z in mm (LPS), not '%s'", argument);
        rest += length + !ends;
    }
}

/* ---- the place --------------------------------------------------------------------------- */

static bool shows(const rp_grid *grid, const double world[3])
{
    double at[3];
    bool inside = true;
    rp_grid_from_world(grid, world, at);
    for (int a = 0; a < 3; a++) inside &= at[a] >= -0.5 && at[a] <= grid->size[a] - 0.5;
    return inside;
}

/* The mask's voxels on a grid that lies where a motion puts it. */
static rp_mask moved(const rp_mask *mask, const rp_rigid *rigid, const double shift[3])
{
    rp_mask out = *mask;
    rp_rigid_apply(rigid, mask->grid.origin, out.grid.origin);
    for (int r = 0; r < 3; r++) {
        out.grid.origin[r] += shift[r];
        for (int a = 0; a < 3; a++) {
            out.grid.direction[r][a] = 0.0;
            for (int k = 0; k < 3; k++)
                out.grid.direction[r][a] += rigid->rotation[r][k] * mask->grid.direction[k][a];
        }
    }
    return out;
}

static double radius_mm(const rp_mask *mask)
{
    return cbrt(0.75 / M_PI * (double)rp_mask_count(mask) * rp_grid_voxel_mm3(&mask->grid));
}

/* By the registration, and by how the surroundings of the lesion lie to it. */
static void place_registered(const cmd_place_request *r, cmd_place *out)
{
    const double least_radius_mm = 35.0, rim_mm = 20.0;
    const rp_rigid *rigid = &out->alignment.registration.transform;
    double from[3], shift[3] = {0};
    rp_region_centre(r->contour, from);
    if (!rp_register_local(out->alignment.fixed, out->alignment.moving, rigid, from,
                           fmax(least_radius_mm, radius_mm(r->contour) + rim_mm), shift))
        memset(shift, 0, sizeof shift);
    out->by = CMD_PLACE_REGISTERED;
    out->prior = moved(r->contour, rigid, shift);
}

static void place_by_coordinates(const cmd_place_request *r, cmd_place *out)
{
    const rp_registration *g = &out->alignment.registration;
    double centre[3];
    rp_region_centre(r->contour, centre);
    const bool plausible = isfinite(g->correlation_at_start) && shows(&r->followup->grid, centre);
    out->by = plausible ? CMD_PLACE_COORDINATES : CMD_PLACE_UNKNOWN;
    out->prior = *r->contour;
    snprintf(out->reason, sizeof out->reason, "%s", g->reason);
}

/* Where the user says, with the middle of the contour there. */
static void correct(const cmd_place_request *r, cmd_place *out)
{
    double square = 0.0;
    for (int a = 0; a < 3; a++) {
        const double way = r->at[a] - out->centre[a];
        out->prior.grid.origin[a] += way;
        out->centre[a] = r->at[a];
        square += way * way;
    }
    out->corrected_mm = out->by == CMD_PLACE_UNKNOWN ? NAN : sqrt(square);
    out->by = CMD_PLACE_GIVEN;
}

static rp_status check_at(const double *at, const rp_image *followup, rp_error *err)
{
    if (!at || shows(&followup->grid, at)) return RP_OK;
    return rp_fail(err, RP_ERR_ARGUMENT, "--at=%g,%g,%g lies outside the image", at[0], at[1],
                   at[2]);
}

rp_status cmd_place_without_image(const rp_mask *contour, const rp_image *followup,
                                  const double *at, cmd_place *out, rp_error *err)
{
    const cmd_place_request r = {.followup = followup, .contour = contour, .at = at};
    *out = (cmd_place){.by = CMD_PLACE_UNKNOWN, .reason = "nothing was given to find it by"};
    const rp_status status = check_at(at, followup, err);
    if (status) return status;
    if (contour) out->prior = *contour;
    if (contour && rp_region_centre(contour, out->centre) && shows(&followup->grid, out->centre)) {
        out->by = CMD_PLACE_COORDINATES;
        out->reason[0] = '\0';
    }
    if (at) correct(&r, out);
    return RP_OK;
}

rp_status cmd_place_find(const cmd_place_request *r, cmd_place *out, rp_error *err)
{
    *out = (cmd_place){0};
    rp_status status = check_at(r->at, r->followup, err);
    if (!status) status = rp_align_visits(r->baseline, r->followup, &out->alignment, err);
    if (status) return status;
    const rp_registration *g = &out->alignment.registration;
    const bool better_as_given =
        g->quality == RP_REGISTRATION_DOUBTFUL && g->correlation < g->correlation_at_start;
    out->aligned = true;
    out->prior = *r->contour;
    if (!rp_region_centre(r->contour, out->centre)) {
        cmd_place_release(out);
        return rp_fail(err, RP_ERR_REFUSED, "the contour is empty");
    }
    if (r->as_stored)
        out->by = CMD_PLACE_COORDINATES;
    else if (g->quality == RP_REGISTRATION_FAILED || better_as_given)
        place_by_coordinates(r, out);
    else
        place_registered(r, out);
    rp_region_centre(&out->prior, out->centre);
    if (r->at) correct(r, out);
    return RP_OK;
}

void cmd_place_release(cmd_place *place)
{
    if (place->aligned) rp_alignment_release(&place->alignment);
    *place = (cmd_place){0};
}

rp_rigid cmd_place_rigid(const cmd_place *place, const rp_mask *contour)
{
    const rp_grid *from = &contour->grid, *to = &place->prior.grid;
    rp_rigid rigid = rp_rigid_identity();
    memcpy(rigid.centre, from->origin, sizeof rigid.centre);
    for (int r = 0; r < 3; r++) {
        rigid.translation[r] = to->origin[r] - from->origin[r];
        for (int c = 0; c < 3; c++) {
            rigid.rotation[r][c] = 0.0;
            for (int a = 0; a < 3; a++)
                rigid.rotation[r][c] += to->direction[r][a] * from->direction[c][a];
        }
    }
    return rigid;
}

void cmd_place_apply(const cmd_place *place, rp_predict_options *options)
{
    options->prior = place->prior.data ? &place->prior : NULL;
    options->at = place->by == CMD_PLACE_UNKNOWN ? NULL : place->centre;
}

/* ---- what is told of it ------------------------------------------------------------------ */

rp_json *cmd_place_json(const cmd_place *place, const rp_prediction *prediction)
{
    rp_json *json = rp_json_object();
    const rp_grid *box = &prediction->box;
    const bool known = place->by != CMD_PLACE_UNKNOWN;
    rp_json_set_string(json, "by", cmd_place_by_name(place->by));
    if (known)
        rp_json_set_numbers(json, "centre_mm", place->centre, 3);
    else
        rp_json_set_string(json, "centre_mm", NULL);
    rp_json_set_bool(json, "whole_image", !prediction->boxed);
    if (!prediction->boxed) return json;
    double length_mm[3], middle[3], centre[3];
    for (int a = 0; a < 3; a++) {
        length_mm[a] = box->size[a] * box->spacing[a];
        middle[a] = 0.5 * (box->size[a] - 1);
    }
    rp_grid_to_world(box, middle, centre);
    rp_json_set_numbers(json, "box_centre_mm", centre, 3);
    rp_json_set_numbers(json, "box_mm", length_mm, 3);
    rp_json_set_int(json, "box_grew", prediction->grown);
    rp_json_set_bool(json, "lesion_at_face", prediction->at_face);
    return json;
}

bool cmd_place_remark(const cmd_place *place, const char **key, char text[400])
{
    const double *c = place->centre;
    switch (place->by) {
    case CMD_PLACE_GIVEN:
        *key = "place_given";
        if (isfinite(place->corrected_mm))
            snprintf(text, 400,
                     "The lesion was looked for round %.0f, %.0f, %.0f mm, where the user said, "
                     "%.0f mm from where it would have been looked for.",
                     c[0], c[1], c[2], place->corrected_mm);
        else
            snprintf(text, 400,
                     "The lesion was looked for round %.0f, %.0f, %.0f mm, where the user said.",
                     c[0], c[1], c[2]);
        return true;
    case CMD_PLACE_UNKNOWN:
        *key = "place_unknown";
        snprintf(text, 400,
                 "Where the lesion lies on the follow-up is not known (%s): all of the image was "
                 "searched, where a model of a box sees what it never learnt; --at says where.",
                 place->reason);
        return true;
    case CMD_PLACE_COORDINATES:
        if (!place->reason[0]) return false;
        *key = "place_by_coordinates";
        snprintf(text, 400,
                 "The registration does not tell where the lesion lies on the follow-up (%s): it "
                 "was looked for where the images' own coordinates have it.",
                 place->reason);
        return true;
    default:
        return false;
    }
}

bool cmd_box_remark(const rp_prediction *prediction, const char **key, char text[400])
{
    if (prediction->at_face) {
        *key = "lesion_at_box_face";
        snprintf(text, 400,
                 "The lesion reaches the faces of the box that was searched, which grew %d times: "
                 "part of it may be missing, or the contour runs out into its surroundings.",
                 prediction->grown);
    } else if (prediction->grown) {
        *key = "box_grew";
        snprintf(text, 400,
                 "The lesion reached the faces of the box that was searched, so that a larger one "
                 "was: check that the contour does not run out into its surroundings.");
    }
    return prediction->at_face || prediction->grown;
}
