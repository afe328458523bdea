using Crosscore.Model.Kernel.Checking;
using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Kernel.Emission;

/// <summary>
/// Where the variables of a design lie: a region of 8-byte elements for each, one element for each CPU, task or address
/// space.
/// </summary>
internal sealed class VariableLayout
{
    private const ulong Base = 0x6C00_0000_0000;

    // Regions lie apart, so that what belongs to none is at no address: to use it is an error of the design that the
    // machine finds.
    private const ulong Distance = 0x1000;

    private readonly Dictionary<string, ulong> _addresses = [];

    public VariableLayout(MergedDesign design, KernelConfiguration configuration)
    {
        var regions = new List<MemoryRegion>();
        var registers = new Dictionary<string, IReadOnlyList<ulong>>();
        foreach (VariableDeclaration variable in design.Variables)
        {
            ulong[] values =
            [
                .. Enumerable
                    .Range(0, Count(variable.Scope, configuration))
                    .Select(element => InitialValues.Of(variable, configuration, element)),
            ];
            if (variable.Scope == VariableScope.Register)
            {
                registers.Add(variable.Name, values);
                continue;
            }

            ulong address = Base + (((ulong)regions.Count + 1) * Distance);
            _addresses.Add(variable.Name, address);
            if (values.Length > 0)
            {
                regions.Add(
                    new MemoryRegion
                    {
                        Name = variable.Name,
                        Address = address,
                        ElementWidth = 8,
                        InitialValues = values,
                        AddressTaken = true,
                    }
                );
            }
        }

        Memory = regions;
        Registers = registers;
    }

    public IReadOnlyList<MemoryRegion> Memory { get; }

    /// <summary>The registers that each CPU keeps, and what they hold at the start.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<ulong>> Registers { get; }

    public ulong AddressOf(string variable) => _addresses[variable];

    private static int Count(VariableScope scope, KernelConfiguration configuration) =>
        scope switch
        {
            VariableScope.Global => 1,
            VariableScope.Task => configuration.Tasks.Count,
            VariableScope.Mm => configuration.AddressSpaces,
            _ => configuration.Cpus,
        };
}
