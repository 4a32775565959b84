export * from './convert';
export * from './f32f64';
export * from './f80';
export * from './remainder';
export * from './scale';
export { f80_2xm1, f80_yl2x, f80_yl2xp1 } from './transcendental';
export * from './trigonometric';
