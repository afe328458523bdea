using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;

namespace Crosscore.Model.Kernel.Checking;

/// <summary>
/// The parameters and locals that a place in a routine can see. A name means one thing at a time: an inner one may not
/// hide an outer one.
/// </summary>
internal sealed class LocalScope(MergedDesign design)
{
    private readonly List<(string Name, KernelType Type, bool Writable)> _locals = [];

    /// <summary>How many there are now; the argument of <see cref="Leave"/>.</summary>
    public int Depth => _locals.Count;

    public IEnumerable<string> Names => _locals.Select(local => local.Name);

    public void Add(string name, Position position, KernelType type, bool writable = true)
    {
        bool taken =
            Vocabulary.IsTaken(name)
            || design.Options.ContainsKey(name)
            || _locals.Exists(local => local.Name == name)
            || design.FindVariable(name) is { Scope: VariableScope.Global or VariableScope.Register };
        if (taken)
        {
            throw position.Error($"found '{name}', expected another name: this one means something else here already");
        }

        _locals.Add((name, type, writable));
    }

    /// <summary>Forgets what was added since.</summary>
    public void Leave(int depth) => _locals.RemoveRange(depth, _locals.Count - depth);

    public bool TryFind(string name, out KernelType type, out bool writable)
    {
        int index = _locals.FindIndex(local => local.Name == name);
        (_, type, writable) = index < 0 ? default : _locals[index];
        return index >= 0;
    }
}
