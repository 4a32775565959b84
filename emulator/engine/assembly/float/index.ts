export * from './convert';
export * from './f32f64';
export * from './f80';
export * from './remainder';
export * from './scale';
