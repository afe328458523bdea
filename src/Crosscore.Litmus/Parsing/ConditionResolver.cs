using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Parsing;

/// <summary>A condition whose names are resolved.</summary>
internal sealed record ResolvedCondition(
    IReadOnlyList<Observable> Observables,
    Proposition? Filter,
    Quantifier Quantifier,
    Proposition Condition,
    IReadOnlySet<string> WholeArrays,
    IReadOnlySet<(string Variable, int Element)> NamedElements
);

/// <summary>
/// Turns the places that a condition names into observables, when the types of all locations are known.
/// </summary>
internal sealed class ConditionResolver(
    LitmusScanner scanner,
    InitialState state,
    IInstructionSet instructionSet,
    IReadOnlyList<Variable> variables,
    IReadOnlyList<LitmusThread> threads
)
{
    public List<Observable> Observables { get; } = [];

    public HashSet<string> WholeArrays { get; } = [];

    public HashSet<(string Variable, int Element)> NamedElements { get; } = [];

    private int PlaceOf(TestRegister register) =>
        register.Fault is null ? instructionSet.PrintOrder(register) : int.MaxValue;

    public void Add(WrittenPlace place)
    {
        if (place.Variable is string name && place.Element < 0)
        {
            WholeArrays.Add(name);
        }
        else if (place.Variable is string array)
        {
            NamedElements.Add((array, place.Element));
        }

        foreach (Observable observable in Expand(place))
        {
            if (!Observables.Contains(observable))
            {
                Observables.Add(observable);
            }
        }
    }

    public void Sort()
    {
        List<Observable> sorted =
        [
            .. Observables
                .Where(item => !item.IsMemory)
                .OrderBy(item => item.Thread)
                .ThenBy(item => PlaceOf(item.Register)),
            .. Observables
                .Where(item => item.IsMemory)
                .OrderBy(item => item.Variable!.Name, StringComparer.Ordinal)
                .ThenBy(item => item.Element),
        ];
        Observables.Clear();
        Observables.AddRange(sorted);
    }

    public Proposition Resolve(Raw raw)
    {
        switch (raw)
        {
            case RawAll all:
                return new Conjunction(all.Parts.ConvertAll(Resolve));
            case RawAny any:
                return new Disjunction(any.Parts.ConvertAll(Resolve));
            case RawNot not:
                return new Negation(Resolve(not.Part));
            case RawImplies implies:
                return new Implication(Resolve(implies.Left), Resolve(implies.Right));
            case RawSame same:
                return new EqualsObservable(Single(same.Left), Single(same.Right));
            case RawValue value:
                return Equal(Single(value.Left), value.Value, value.Position);
            case RawElements elements:
                List<Observable> cells = Expand(elements.Left);
                if (cells.Count != elements.Values.Count)
                {
                    throw scanner.Error(
                        elements.Position,
                        $"found {Plural.Of(elements.Values.Count, "element")}, expected {cells.Count}"
                    );
                }

                return new Conjunction([
                    .. cells.Select(
                        (cell, index) => Equal(Observables.IndexOf(cell), elements.Values[index], elements.Position)
                    ),
                ]);
            default:
                throw new InvalidOperationException($"Crosscore bug: unknown proposition {raw}");
        }
    }

    private EqualsValue Equal(int left, InitialValue value, SourcePosition position)
    {
        value = state.Labels.Resolve(value);
        DataType type = Observables[left].Type;
        if (!value.IsAddress)
        {
            long signed = (long)value.Number;
            if (!type.CanHold(value.Number))
            {
                throw scanner.Error(
                    position,
                    $"found {signed}, which {Observables[left]} of type {type.Name} can never hold"
                );
            }
        }
        else if (type.Width != 8)
        {
            throw scanner.Error(
                position,
                $"found the address of {value.AddressOf ?? value.Label}, "
                    + $"which {Observables[left]} of type {type.Name} cannot hold"
            );
        }

        return new EqualsValue(left, value with { Number = type.Truncate(value.Number) });
    }

    private int Single(WrittenPlace place)
    {
        List<Observable> expanded = Expand(place);
        return expanded.Count == 1
            ? Observables.IndexOf(expanded[0])
            : throw scanner.Error(
                place.Position,
                $"found the whole array {place.Variable}, expected one element of it, such as {place.Variable}[0]"
            );
    }

    private List<Observable> Expand(WrittenPlace place)
    {
        if (place.Variable is null)
        {
            DataType? declared = state.Registers.TypeOf(place.Thread, place.Register);
            DataType type = declared ?? UndeclaredRegister(place.Thread, place.Register);
            bool isUndeclared = declared is null && place.Register.Fault is null && type.Width == 8;
            return [new Observable(place.Thread, place.Register, null, 0, type) { IsUndeclared = isUndeclared }];
        }

        Variable variable = variables.First(candidate => candidate.Name == place.Variable);
        int count = variable.InitialValues.Count;
        if (place.Element >= count || (place.Element >= 0 && !variable.IsArray))
        {
            throw scanner.Error(
                place.Position,
                $"found {place.Variable}[{place.Element}], but {place.Variable} "
                    + $"{(variable.IsArray ? $"has {Plural.Of(count, "element")}" : "is no array")}"
            );
        }

        return place.Element >= 0
            ? [new Observable(-1, default, variable, place.Element, variable.Type)]
            :
            [
                .. Enumerable
                    .Range(0, count)
                    .Select(element => new Observable(-1, default, variable, element, variable.Type)),
            ];
    }

    // As wide as the widest name that the column uses for it, and at least an int; 8 bytes where it is only an
    // initial value.
    private DataType UndeclaredRegister(int thread, TestRegister register)
    {
        int width = Math.Max(
            register.Fault is null ? 0 : DataType.Int.Width,
            instructionSet.WidestUse(threads[thread], register)
        );
        return width is 0 or 8 ? DataType.SignedOf(8) : DataType.Int;
    }
}
