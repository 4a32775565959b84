export * from './arithmetic';
export * from './move';
export * from './transcendental';
