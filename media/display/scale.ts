/** How large the guest's screen is shown: as large as there is room for, or with pixels of a certain size. */
import type { DisplaySettings } from '../../adapter/protocol/display';

export type Scale = DisplaySettings['scale'];

export const SCALES: readonly Scale[] = ['fit', 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4];

export const scaleName = (scale: Scale): string => (scale === 'fit' ? 'Fit' : scale === 1 ? '1:1' : `${Math.round(scale * 100)} %`);

/** The size in CSS pixels; noVNC draws into a box as large as it fits. */
export const sizeOf = (scale: Scale, { width, height }: { readonly width: number; readonly height: number }): readonly [width: string, height: string] =>
  scale === 'fit' || width === 0 ? ['100%', '100%'] : [`${width * scale}px`, `${height * scale}px`];

/** Whole pixels stay sharp; others would be of different sizes. */
export const isSharp = (scale: Scale): boolean => scale !== 'fit' && Number.isInteger(scale);
