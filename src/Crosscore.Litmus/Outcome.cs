using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus;

/// <summary>
/// A final state as far as the test looks at it: one value for each of <see cref="LitmusTest.Observables"/>, in their order, cut to their types.
/// An address of the test's memory is a model address (<see cref="MemoryLayout.ModelBase"/>), wherever the outcome comes from.
/// </summary>
public sealed class Outcome : IEquatable<Outcome>
{
    private readonly ulong[] _values;

    /// <summary>
    /// Code was executed of which the processor promises nothing: anything may follow. Allowed outcomes contain it, machines do not show it.
    /// </summary>
    public static Outcome Unpredictable { get; } = new([]) { IsUnpredictable = true };

    /// <summary>Makes an outcome.</summary>
    /// <param name="values">The values, already cut to their types; copied.</param>
    public Outcome(ReadOnlySpan<ulong> values) => _values = values.ToArray();

    /// <summary>The values; none of <see cref="Unpredictable"/>.</summary>
    public ReadOnlySpan<ulong> Values => _values;

    /// <summary>Whether it is <see cref="Unpredictable"/>.</summary>
    public bool IsUnpredictable { get; private init; }

    /// <inheritdoc/>
    public bool Equals(Outcome? other) => other is not null && IsUnpredictable == other.IsUnpredictable && Values.SequenceEqual(other.Values);

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
    public static IComparer<Outcome> Order(LitmusTest test) => Comparer<Outcome>.Create((left, right) =>
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
    });

    /// <summary>As herd writes it: <c>0:rax=0; [x]=1;</c>.</summary>
    /// <param name="test">The test it belongs to.</param>
    /// <param name="layout">The test's memory.</param>
    public string Describe(LitmusTest test, MemoryLayout layout)
    {
        if (IsUnpredictable)
        {
            return "unpredictable";
        }

        var parts = new List<string>();
        for (int index = 0; index < _values.Length; index++)
        {
            Observable observable = test.Observables[index];
            parts.Add($"{observable}={layout.Format(_values[index], observable.Type)};");
        }

        return string.Join(' ', parts);
    }

    /// <inheritdoc/>
    public static bool operator ==(Outcome? left, Outcome? right) => Equals(left, right);

    /// <inheritdoc/>
    public static bool operator !=(Outcome? left, Outcome? right) => !Equals(left, right);
}
