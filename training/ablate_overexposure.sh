#!/bin/sh
# Trains small overexposure networks for the paper's ablation: all three scales, a single scale, and
# a loss in linear light instead of PU21.
#
#     sh training/ablate_overexposure.sh "FOLDER_OF_PANORAMAS ..." [STEPS] [SEEDS]
#
# The budget is a number of steps, never minutes: all networks see the same views in the same order.
# One seed is finished before the next begins, so a run that is cut off leaves whole sets. Run it
# again to go on. Results: the last row of runs/overexposure-ablation/NAME-SEED/log.csv; for the
# card: training/export_overexposure.py --ablation.
# PYTHON and OUT in the environment choose another interpreter and folder.
set -eu
panoramas=${1:?"which folders of panoramas?"}
steps=${2:-700}
seeds=${3:-"0 1 2"}
out=${OUT:-runs/overexposure-ablation}
for seed in $seeds; do
    for name in full single-scale linear-loss; do
        run=$out/$name-$seed
        [ -e "$run/done" ] && continue
        options=""
        [ "$name" = single-scale ] && options="--scales 1"
        [ "$name" = linear-loss ] && options="--loss linear"
        [ -e "$run/state.pt" ] && options="$options --resume"
        # shellcheck disable=SC2086  # folders and options are lists
        "${PYTHON:-python}" -m training.train overexposure --panoramas $panoramas --out "$run" \
            --views "$(dirname "$out")/views" --steps "$steps" --seed "$seed" --width 24 --size 80 --bf16 --every 600 $options
        touch "$run/done"
    done
done
