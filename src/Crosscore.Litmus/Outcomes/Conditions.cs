using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Outcomes;

/// <summary>Evaluates and prints the propositions of a test.</summary>
internal static class Conditions
{
    /// <summary>Whether a proposition is true of an outcome.</summary>
    /// <param name="proposition">A proposition of the test.</param>
    /// <param name="outcome">An outcome of the test.</param>
    /// <param name="test">The test.</param>
    /// <param name="layout">The test's memory.</param>
    /// <param name="whole">Whether undeclared registers are compared with all that they hold, and not as herd
    /// does.</param>
    public static bool Holds(
        this Proposition proposition,
        Outcome outcome,
        LitmusTest test,
        MemoryLayout layout,
        bool whole = false
    ) =>
        proposition switch
        {
            Conjunction all => all.Parts.All(part => part.Holds(outcome, test, layout, whole)),
            Disjunction any => any.Parts.Any(part => part.Holds(outcome, test, layout, whole)),
            Negation not => !not.Part.Holds(outcome, test, layout, whole),
            Implication implies => !implies.Left.Holds(outcome, test, layout, whole)
                || implies.Right.Holds(outcome, test, layout, whole),
            EqualsValue equal => IsEqual(
                test.Observables[equal.Left],
                outcome.Values[equal.Left],
                layout.Resolve(equal.Value, MemoryLayout.ModelBase),
                whole
            ),
            EqualsObservable same => test.Observables[same.Left].Type.Extend(outcome.Values[same.Left])
                == test.Observables[same.Right].Type.Extend(outcome.Values[same.Right]),
            _ => throw new InvalidOperationException($"Crosscore bug: unknown proposition {proposition}"),
        };

    // A question about faults has a bit for each of them. An undeclared register is an int where the number is one.
    private static bool IsEqual(Observable observable, ulong value, ulong wanted, bool whole) =>
        observable.Register.Fault is not null ? value != 0 == (wanted != 0)
        : observable.IsUndeclared && !whole && ValueNames.IsInt(wanted) && !ValueNames.IsSymbolic(value)
            ? (uint)value == (uint)wanted
        : value == wanted;

    /// <summary>Whether a test's filter lets an outcome count.</summary>
    /// <param name="test">The test.</param>
    /// <param name="outcome">An outcome of it.</param>
    public static bool PassesFilter(this LitmusTest test, Outcome outcome) =>
        test.Filter?.Holds(outcome, test, new MemoryLayout(test.Variables)) ?? true;

    /// <summary>Gets a proposition as herd prints it.</summary>
    /// <param name="proposition">A proposition of the test.</param>
    /// <param name="test">The test.</param>
    public static string Format(this Proposition proposition, LitmusTest test) => Format(proposition, test, Loosest);

    // How tightly an operator binds; a part in a tighter place than its own operator needs parentheses.
    private const int Loosest = 0;
    private const int InDisjunction = 1;
    private const int InConjunction = 2;

    private static string Format(Proposition proposition, LitmusTest test, int place)
    {
        (string text, int binds) = proposition switch
        {
            Conjunction { Parts.Count: 0 } => ("true", InConjunction),
            Disjunction { Parts.Count: 0 } => ("false", InConjunction),
            Conjunction all => (
                string.Join(" /\\ ", all.Parts.Select(part => Format(part, test, InConjunction))),
                InConjunction
            ),
            Disjunction any => (
                string.Join(" \\/ ", any.Parts.Select(part => Format(part, test, InDisjunction))),
                InDisjunction
            ),
            Implication implies => (
                $"{Format(implies.Left, test, InDisjunction)} => {Format(implies.Right, test, Loosest)}",
                Loosest
            ),
            Negation not => ($"not ({Format(not.Part, test, Loosest)})", InConjunction),
            EqualsValue equal when test.Observables[equal.Left].Register.Fault is not null => (
                $"{test.Observables[equal.Left]}",
                InConjunction
            ),
            EqualsValue equal => (
                $"{test.Observables[equal.Left]}={Format(equal.Value, test, test.Observables[equal.Left].Type)}",
                InConjunction
            ),
            EqualsObservable same => ($"{test.Observables[same.Left]}={test.Observables[same.Right]}", InConjunction),
            _ => throw new InvalidOperationException($"Crosscore bug: unknown proposition {proposition}"),
        };
        return binds < place ? $"({text})" : text;
    }

    private static string Format(InitialValue value, LitmusTest test, DataType type)
    {
        if (value.Entry is not null)
        {
            var layout = new MemoryLayout(test.Variables);
            return ValueText.Format(test, layout, layout.Resolve(value, MemoryLayout.ModelBase), type);
        }

        return ValueNames.Symbol(value)
            ?? (
                value.AddressOf is null ? type.Format(value.Number)
                : value.Element == 0 ? value.AddressOf
                : $"{value.AddressOf}[{value.Element}]"
            );
    }
}
