namespace Crosscore.Litmus.Syntax;

/// <summary>A statement about one final state.</summary>
internal abstract record Proposition;

/// <summary>True when all parts are; <c>true</c> when it has none.</summary>
/// <param name="Parts">The parts.</param>
internal sealed record Conjunction(IReadOnlyList<Proposition> Parts) : Proposition;

/// <summary>True when some part is; <c>false</c> when it has none.</summary>
/// <param name="Parts">The parts.</param>
internal sealed record Disjunction(IReadOnlyList<Proposition> Parts) : Proposition;

/// <summary>True when its part is false.</summary>
/// <param name="Part">The part.</param>
internal sealed record Negation(Proposition Part) : Proposition;

/// <summary>True when the left is false or the right is true.</summary>
/// <param name="Left">The premise.</param>
/// <param name="Right">The conclusion.</param>
internal sealed record Implication(Proposition Left, Proposition Right) : Proposition;

/// <summary>An observable has a value.</summary>
/// <param name="Left">Index into <see cref="LitmusTest.Observables"/>.</param>
/// <param name="Value">The value.</param>
internal sealed record EqualsValue(int Left, InitialValue Value) : Proposition;

/// <summary>Two observables have the same value.</summary>
/// <param name="Left">Index into <see cref="LitmusTest.Observables"/>.</param>
/// <param name="Right">Index into <see cref="LitmusTest.Observables"/>.</param>
internal sealed record EqualsObservable(int Left, int Right) : Proposition;
