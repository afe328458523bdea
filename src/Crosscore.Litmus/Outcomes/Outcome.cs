using System.Globalization;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Outcomes;

/// <summary>
/// A final state as far as the test looks at it: one value for each of <see cref="LitmusTest.Observables"/>, in their
/// order, cut to their types. An address of the test's memory is a model address
/// (<see cref="MemoryLayout.ModelBase"/>), wherever the outcome comes from.
/// </summary>
internal sealed class Outcome : IEquatable<Outcome>
{
    private readonly ulong[] _values;

    /// <summary>
    /// Code was executed of which the processor promises nothing: anything may follow. Allowed outcomes contain it,
    /// machines do not show it.
    /// </summary>
    public static Outcome Unpredictable { get; } = new([]) { IsUnpredictable = true };

    /// <summary>Makes an outcome.</summary>
    /// <param name="values">The values, already cut to their types; copied.</param>
    public Outcome(ReadOnlySpan<ulong> values) => _values = values.ToArray();

    /// <summary>Gets the values; none of <see cref="Unpredictable"/>.</summary>
    public ReadOnlySpan<ulong> Values => _values;

    /// <summary>Whether it is <see cref="Unpredictable"/>.</summary>
    public bool IsUnpredictable { get; private init; }

    /// <inheritdoc/>
    public bool Equals(Outcome? other) =>
        other is not null && IsUnpredictable == other.IsUnpredictable && Values.SequenceEqual(other.Values);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Outcome);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (ulong value in _values)
        {
            hash.Add(value);
        }

        return hash.ToHashCode();
    }

    /// <summary>Orders outcomes of a test value by value, each as a number of its type.</summary>
    /// <param name="test">The test.</param>
    public static IComparer<Outcome> Order(LitmusTest test) =>
        Comparer<Outcome>.Create(
            (left, right) =>
            {
                int order = left.IsUnpredictable.CompareTo(right.IsUnpredictable);
                for (int index = 0; order == 0 && !left.IsUnpredictable && index < left._values.Length; index++)
                {
                    DataType type = test.Observables[index].Type;
                    order = type.Signed
                        ? type.Extend(left._values[index]).CompareTo(type.Extend(right._values[index]))
                        : left._values[index].CompareTo(right._values[index]);
                }

                return order;
            }
        );

    /// <summary>As herd writes it: <c>0:rax=0; [x]=1; t={1,2}; Fault(P0:L0,x,MMU:Translation);</c>.</summary>
    /// <param name="test">The test it belongs to.</param>
    /// <param name="layout">The test's memory.</param>
    /// <param name="whole">Whether a number of an undeclared register that no <c>int</c> holds is printed whole; herd
    /// cuts it.</param>
    public string Describe(LitmusTest test, MemoryLayout layout, bool whole = false)
    {
        if (IsUnpredictable)
        {
            return "unpredictable";
        }

        var parts = new List<string>();
        for (int index = 0; index < _values.Length; index++)
        {
            Observable observable = test.Observables[index];
            if (observable.Register.Fault is not null)
            {
                continue;
            }

            if (
                observable is { Variable: { IsArray: true } array, Element: 0 }
                && test.WholeArrays.Contains(array.Name)
            )
            {
                parts.Add(DescribeArray(test, layout, index));
            }

            if (
                observable.Variable is not { IsArray: true } variable
                || !test.WholeArrays.Contains(variable.Name)
                || test.NamedElements.Contains((variable.Name, observable.Element))
            )
            {
                parts.Add($"{observable}={ValueText.Format(test, layout, observable, _values[index], whole)};");
            }
        }

        return string.Join(' ', parts) + DescribeFaults(test);
    }

    // The elements of an array stand together. What the field's tools read between braces are numbers; other elements
    // are printed one by one.
    private string DescribeArray(LitmusTest test, MemoryLayout layout, int first)
    {
        Variable array = test.Observables[first].Variable!;
        string[] elements =
        [
            .. Enumerable
                .Range(first, array.InitialValues.Count)
                .Select(index => ValueText.Format(test, layout, test.Observables[index], _values[index], whole: true)),
        ];
        return elements.All(element =>
            long.TryParse(element, CultureInfo.InvariantCulture, out _)
            || ulong.TryParse(element, CultureInfo.InvariantCulture, out _)
        )
            ? $"{array.Name}={{{string.Join(',', elements)}}};"
            : string.Join(' ', elements.Select((element, index) => $"{array.Name}[{index}]={element};"));
    }

    // herd prints the faults that happened, then the questions that none answers, each behind a blank.
    private string DescribeFaults(LitmusTest test)
    {
        var asked = test
            .Observables.Index()
            .Where(entry => entry.Item.Register.Fault is not null)
            .Select(entry => (Question: entry.Item.Register.Fault!, Bits: _values[entry.Index]))
            .ToList();
        if (asked.Count == 0)
        {
            return "";
        }

        IEnumerable<string> faults = asked
            .SelectMany(entry => test.Faults.About(entry.Question).Where((_, bit) => (entry.Bits >> bit & 1) != 0))
            .Distinct()
            .OrderBy(fault => fault.Thread)
            .ThenBy(fault => fault.Label, StringComparer.Ordinal)
            .ThenBy(fault => fault.Location, StringComparer.Ordinal)
            .ThenBy(fault => fault.Kind)
            .Select(fault =>
                Describe(
                    fault,
                    asked.Exists(entry => entry.Question.Kind == fault.Kind && entry.Question.Thread == fault.Thread)
                )
            );
        IEnumerable<string> none = asked.Where(entry => entry.Bits == 0).Select(entry => $" ~Fault({entry.Question});");
        return " " + string.Join(' ', faults) + string.Concat(none);
    }

    // A kind that a question names is printed as it names it; herd calls the others faults of data.
    private static string Describe(FaultEvent fault, bool isNamed)
    {
        string kind = (isNamed || fault.Kind < FaultKind.Translation ? "" : "D-") + fault.Kind.Name();
        string place = fault.Label is null ? $"P{fault.Thread}" : $"P{fault.Thread}:{fault.Label}";
        return $"Fault({string.Join(',', ((string?[])[place, fault.Location, kind]).OfType<string>())});";
    }

    /// <inheritdoc/>
    public static bool operator ==(Outcome? left, Outcome? right) => Equals(left, right);

    /// <inheritdoc/>
    public static bool operator !=(Outcome? left, Outcome? right) => !Equals(left, right);
}
