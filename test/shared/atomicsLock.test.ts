import test from 'ava';
import {createLock} from '../../src/shared/index.js';
import {lockSuite} from '../support/lockSuite.js';

lockSuite(test, createLock);
