using Crosscore.Litmus.Isa;
using Crosscore.Litmus.Lowering;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Cores;
using Crosscore.Model.Kernel;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Verdicts;

/// <summary>A litmus test as a program of the model.</summary>
/// <param name="Program">The program; its observations are the test's observables, in their order.</param>
/// <param name="Layout">Where the variables lie.</param>
internal sealed record LoweredTest(ModelProgram Program, MemoryLayout Layout)
{
    /// <summary>Lowers a test.</summary>
    /// <param name="test">The test.</param>
    /// <param name="design">The kernel that it runs on; without one, each thread has a separate core and nothing else
    /// happens.</param>
    /// <param name="core">The kind of cores, whose rules decide what entering and leaving the kernel does.</param>
    /// <exception cref="LitmusException">An instruction has no meaning in the model.</exception>
    public static LoweredTest Of(LitmusTest test, KernelDesign? design = null, CoreKind core = CoreKind.X86Tso)
    {
        ArgumentNullException.ThrowIfNull(test);
        var layout = new MemoryLayout(test.Variables);
        KernelLowering? kernel = design is null ? null : new KernelLowering(test, design, CoreRules.Of(core));
        CheckMemory(test, design, kernel);
        LoweredColumns columns = test.InstructionSet().Lower(test, layout, kernel);
        HashSet<string> taken = [.. AddressesTaken(test), .. columns.AddressesTaken];
        var program = new ModelProgram
        {
            Memory =
            [
                .. test
                    .Variables.Select(variable => new MemoryRegion
                    {
                        Name = variable.Name,
                        Address = layout.ModelAddressOf(variable.Name),
                        ElementWidth = variable.Type.Width,
                        InitialValues =
                        [
                            .. variable.InitialValues.Select(value => layout.Resolve(value, MemoryLayout.ModelBase)),
                        ],
                        AddressTaken = taken.Contains(variable.Name),
                        IsCode = variable.IsCode,
                        IsUnmapped = variable.IsUnmapped,
                        TranslatesPage = variable.Translates is string page ? layout.ModelAddressOf(page) : null,
                    })
                    .Concat(columns.Code)
                    .Concat(kernel?.Memory ?? []),
            ],
            Observations =
            [
                .. test.Observables.Select(observable =>
                    observable.Variable is Variable variable
                        ? Observation.OfMemory(
                            layout.ModelAddressOf(variable.Name) + (ulong)(observable.Element * variable.Type.Width),
                            variable.Type.Width
                        )
                        : Observation.OfRegister(
                            observable.Thread,
                            columns.Threads[observable.Thread].ModelRegister(observable.Register)
                        )
                ),
            ],
            Threads = [.. columns.Threads.Select(thread => thread.Build()).Concat(kernel?.OtherTasks ?? [])],
            System = kernel?.Build(),
        };
        return new LoweredTest(program, layout);
    }

    /// <summary>Gets the outcome that a final state of the program is.</summary>
    /// <param name="test">The test that was lowered.</param>
    /// <param name="values">The values of the final state.</param>
    public static Outcome OutcomeOf(LitmusTest test, IReadOnlyList<ulong> values)
    {
        ulong[] cut = new ulong[values.Count];
        for (int index = 0; index < cut.Length; index++)
        {
            cut[index] = test.Observables[index].Type.Truncate(values[index]);
        }

        return new Outcome(cut);
    }

    // The memory of the test and that of the design are one memory, which has no translation tables.
    private static void CheckMemory(LitmusTest test, KernelDesign? design, KernelLowering? kernel)
    {
        if (
            test.Variables.FirstOrDefault(variable =>
                kernel?.Memory.Any(region => region.Name == variable.Name) == true
            ) is
            { } clash
        )
        {
            throw new LitmusException(
                test.File,
                clash.Position,
                $"found the location {clash.Name}, which is a variable of "
                    + $"the design {design!.Name} too; expected another name"
            );
        }

        if (design is not null && test.HasTables)
        {
            throw new LitmusException(
                test.File,
                test.Variables.First(variable => variable.Translates is not null).Position,
                "found translation tables; expected none in a test on a kernel design"
            );
        }
    }

    // The variables whose addresses the initial state has.
    private static IEnumerable<string> AddressesTaken(LitmusTest test) =>
        test
            .InitialValues.Select(value => value.AddressOf)
            .Concat(test.PageEntries.Select(entry => entry.OutputAddress))
            .OfType<string>();
}
